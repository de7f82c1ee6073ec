// SPDX-License-Identifier: GPL-2.0-only
/* The iTLB model fed by QEMU: loading, options, the end. */
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

EMB_EXPORT int qemu_plugin_version = EMB_PLUGIN_API;

struct plugin plugin;

void on_vcpu(unsigned int index)
{
	if (index >= MAX_VCPUS) {
		fprintf(stderr, "itlb: at most %d vCPUs\n", MAX_VCPUS);
		exit(1);
	}
	plugin.vcpus[index].buffer = g_byte_array_new();
	if (!smp_vcpu_begins(index))
		exit(1);
	registers_find(&plugin.vcpus[index]);
	feed_core(index);
}

void on_end(void)
{
	plugin.ended = true;
	feed_end();
}

/* All that depends on this QEMU; false with a line on standard error. */
static bool begin(const qemu_info_t *info)
{
	struct machine *m = &plugin.machine;
	const char *way = physical_init();

	if (!way) {
		fprintf(stderr, "itlb: this QEMU gives no way to read physical memory\n");
		return false;
	}
	snprintf(m->origin.physical_reads, sizeof(m->origin.physical_reads), "%s", way);
	m->origin.api = info->version.cur;
	if (!smp_init(info->system.max_vcpus))
		return false;
	plugin.report = report_open(plugin.paths.out);
	if (!plugin.report)
		return false;
	if (!plugin.paths.trace)
		return true;
	plugin.trace = trace_begin(plugin.paths.trace, &m->origin);
	if (!plugin.trace)
		fprintf(stderr, "itlb: %s: the trace cannot be written\n",
			plugin.paths.trace);
	return plugin.trace;
}

EMB_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc,
				   char **argv)
{
	char error[512];
	int i;

	plugin.machine.policy.pcid = ASID_TAGGED;
	for (i = 0; i < argc; i++)
		if (!options_parse(argv[i], &plugin.paths, &plugin.machine))
			return -1;
	if (!plugin.paths.out || !plugin.paths.profile) {
		fprintf(stderr, "itlb: out=FILE and profile=FILE are needed\n");
		return -1;
	}
	if (info->version.cur < EMB_PLUGIN_API) {
		fprintf(stderr, "itlb: this QEMU has plugin API %d, needed is %d (QEMU 10)\n",
			info->version.cur, EMB_PLUGIN_API);
		return -1;
	}
	if (!info->system_emulation || strcmp(info->target_name, "x86_64")) {
		fprintf(stderr, "itlb: only qemu-system-x86_64 is modelled, not %s\n",
			info->target_name);
		return -1;
	}
	if (info->system.max_vcpus > MAX_VCPUS) {
		fprintf(stderr, "itlb: %d vCPUs: at most %d\n", info->system.max_vcpus, MAX_VCPUS);
		return -1;
	}
	if (!machine_profile(&plugin.machine, plugin.paths.profile, error, sizeof(error))) {
		fprintf(stderr, "itlb: %s\n", error);
		return -1;
	}
	/* A trace keeps loads and stores whatever this profile makes of them. */
	plugin.machine.origin.data_side = plugin.paths.trace ?
		plugin.machine.policy.data_side : plugin.machine.data_followed;
	if (!begin(info))
		return -1;
	plugin.id = id;
	callbacks_register();
	return 0;
}
