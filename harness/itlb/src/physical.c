// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading guest physical memory. API 5 (QEMU 10.1) has a call for it; before that the
 * function that QEMU itself uses is found in its dynamic symbols. Where QEMU also shows
 * how it maps memory for devices, plain RAM is mapped piece by piece and read directly.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>

#include "plugin.h"

#define PIECE (2ull << 20)
#define PIECES 32768		/* 64 GB of physical addresses */

typedef int (*read_hwaddr_fn)(uint64_t address, GByteArray *to, size_t size);
typedef void (*physical_rw_fn)(uint64_t address, void *to, uint64_t size, bool write);
typedef void *(*physical_map_fn)(uint64_t address, uint64_t *size, bool write);
typedef void (*physical_unmap_fn)(void *at, uint64_t size, bool write, uint64_t accessed);

static read_hwaddr_fn read_hwaddr;
static physical_rw_fn physical_rw;
static physical_map_fn physical_map;
static physical_unmap_fn physical_unmap;
static const char *pieces[PIECES];
static bool tried[PIECES];

const char *physical_init(void)
{
	read_hwaddr = (read_hwaddr_fn)dlsym(RTLD_DEFAULT, "qemu_plugin_read_memory_hwaddr");
	physical_rw = (physical_rw_fn)dlsym(RTLD_DEFAULT, "cpu_physical_memory_rw");
	physical_map = (physical_map_fn)dlsym(RTLD_DEFAULT, "cpu_physical_memory_map");
	physical_unmap = (physical_unmap_fn)dlsym(RTLD_DEFAULT, "cpu_physical_memory_unmap");
	return read_hwaddr ? "qemu_plugin_read_memory_hwaddr" :
	       physical_rw ? "cpu_physical_memory_rw" : NULL;
}

/* The piece of RAM with @address, mapped for good; NULL when it is not all plain RAM. */
static const char *piece_of(uint64_t address)
{
	uint64_t number = address / PIECE, size = PIECE;
	char *at;

	if (number >= PIECES)
		return NULL;
	if (tried[number] || !physical_map || !physical_unmap)
		return pieces[number];
	tried[number] = true;
	at = physical_map(number * PIECE, &size, false);
	if (at && size == PIECE)
		pieces[number] = at;
	else if (at)
		physical_unmap(at, size, false, 0);
	return pieces[number];
}

bool physical_read64(struct vcpu *vcpu, uint64_t address, uint64_t *value)
{
	const char *piece = piece_of(address);

	if (piece) {
		memcpy(value, piece + address % PIECE, sizeof(*value));
		return true;
	}
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
