// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading guest physical memory. API 5 (QEMU 10.1) has a call for it; before that the
 * function that QEMU itself uses is found in its dynamic symbols.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "plugin.h"

typedef int (*read_hwaddr_fn)(uint64_t address, GByteArray *to, size_t size);
typedef void (*physical_rw_fn)(uint64_t address, void *to, uint64_t size, bool write);

static read_hwaddr_fn read_hwaddr;
static physical_rw_fn physical_rw;

bool physical_init(const char **way)
{
	read_hwaddr = (read_hwaddr_fn)dlsym(RTLD_DEFAULT, "qemu_plugin_read_memory_hwaddr");
	physical_rw = (physical_rw_fn)dlsym(RTLD_DEFAULT, "cpu_physical_memory_rw");
	*way = read_hwaddr ? "qemu_plugin_read_memory_hwaddr" :
	       physical_rw ? "cpu_physical_memory_rw" : NULL;
	return *way;
}

bool physical_read64(struct vcpu *vcpu, uint64_t address, uint64_t *value)
{
	if (!read_hwaddr) {
		physical_rw(address, value, sizeof(*value), false);
		return true;
	}
	g_byte_array_set_size(vcpu->buffer, 0);
	if (read_hwaddr(address, vcpu->buffer, sizeof(*value)) ||
	    vcpu->buffer->len < sizeof(*value)) {
		vcpu->unreadable++;
		return false;
	}
	memcpy(value, vcpu->buffer->data, sizeof(*value));
	return true;
}
