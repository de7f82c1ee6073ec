// SPDX-License-Identifier: GPL-2.0-only
/* The report: one JSON document, complete or not there at all. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugin.h"

#define SCHEMA 1

static const char *const size_names[PAGE_SIZES] = { "4k", "2m", "1g" };
static const char *const flush_names[FLUSH_KINDS] = {
	"cr3_switch", "cr3_slot", "cr3_same", "cr3_flush", "cr0", "cr4", "invlpg", "invpcid",
};

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

static void write_head(FILE *f)
{
	const struct options *o = &plugin.options;

	fprintf(f, "{\"schema\": %d,\n\"profile\": {", SCHEMA);
	profile_write_json(f, &plugin.profile);
	fprintf(f, "},\n\"policy\": {\"pcid\": \"%s\", \"kernel_image\": \"%s\", \"data_side\": %s, \"pti\": \"%s\"},\n",
		o->pcid == ASID_TAGGED ? "tagged" : "flush",
		o->kernel_image == IMAGE_PCID ? "pcid" : "tables",
		data_side_followed() ? "true" : o->data ? "\"apart\"" : "false", o->isolation ? "on" : "off");
	fprintf(f, "\"qemu\": {\"plugin_api\": %d, \"physical_reads\": \"%s\"},\n", plugin.api,
		plugin.physical_reads);
}

static void write_tally(FILE *f, unsigned int vcpu, const struct tally *t)
{
	unsigned int i;

	fprintf(f, "  {\"vcpu\": %u, \"lookups\": %" PRIu64 ", \"l1_hits\": %" PRIu64
		", \"stlb_hits\": %" PRIu64, vcpu, t->model.lookups, t->model.l1_hits,
		t->model.stlb_hits);
	for (i = 0; i < PAGE_SIZES; i++)
		fprintf(f, ", \"walks_%s\": %" PRIu64, size_names[i], t->model.walks[i]);
	fprintf(f, ", \"walks_not_mapped\": %" PRIu64 ", \"insns_kernel\": %" PRIu64
		", \"insns_user\": %" PRIu64 ", \"flushes\": {", t->model.not_mapped,
		t->score.insns_kernel, t->score.insns_user);
	for (i = 0; i < FLUSH_KINDS; i++)
		fprintf(f, "%s\"%s\": %" PRIu64, i ? ", " : "", flush_names[i], t->flushes[i]);
	fputs("}}", f);
}

/* The counts of loads and stores, of every vCPU that is there. */
static void write_data(FILE *f, unsigned int window)
{
	const char *comma = "";
	unsigned int v, i;

	fputs("],\n \"data\": [", f);
	for (v = 0; v < MAX_VCPUS; v++) {
		const struct counts *c = &plugin.vcpus[v].windows[window].data;

		if (!plugin.vcpus[v].present)
			continue;
		fprintf(f, "%s\n  {\"vcpu\": %u, \"lookups\": %" PRIu64 ", \"l1_hits\": %" PRIu64
			", \"stlb_hits\": %" PRIu64, comma, v, c->lookups, c->l1_hits, c->stlb_hits);
		for (i = 0; i < PAGE_SIZES; i++)
			fprintf(f, ", \"walks_%s\": %" PRIu64, size_names[i], c->walks[i]);
		fprintf(f, ", \"walks_not_mapped\": %" PRIu64 "}", c->not_mapped);
		comma = ",";
	}
}

static int by_address(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return (int)x->global - (int)y->global;
}

/* The sites of a window over all vCPUs, in the order of their addresses. */
static bool merge_sites(unsigned int window, struct sites *merged)
{
	unsigned int v;
	size_t i, n = 0;

	for (v = 0; v < MAX_VCPUS; v++) {
		struct sites *from = &plugin.vcpus[v].sites[window];

		for (i = 0; i < from->capacity; i++) {
			struct site *s = &from->slots[i], *to;

			if (!s->used)
				continue;
			to = sites_get(merged, s->address, s->size, s->global);
			if (!to)
				return false;
			to->l1_hits += s->l1_hits;
			to->stlb_hits += s->stlb_hits;
			to->walks += s->walks;
		}
	}
	for (i = 0; i < merged->capacity; i++)
		if (merged->slots[i].used)
			merged->slots[n++] = merged->slots[i];
	if (n)
		qsort(merged->slots, n, sizeof(*merged->slots), by_address);
	return true;
}

struct sums {
	uint64_t stlb_hits, walks;
};

static bool write_sites(FILE *f, unsigned int window, struct sums *sums)
{
	struct sites merged = { 0 };
	size_t i;

	if (!merge_sites(window, &merged))
		return false;
	fputs("],\n \"sites\": [", f);
	for (i = 0; i < merged.count; i++) {
		const struct site *s = &merged.slots[i];

		sums->stlb_hits += s->stlb_hits;
		sums->walks += s->walks;
		fprintf(f, "%s\n  {\"address\": \"0x%" PRIx64 "\", \"user\": %s, \"global\": %s, \"page\": \"%s\", \"stlb_hits\": %" PRIu64 ", \"walks\": %" PRIu64,
			i ? "," : "", s->address, boolean(!(s->address >> 63)),
			boolean(s->global), size_names[s->size], s->stlb_hits, s->walks);
		if (plugin.options.hits)
			fprintf(f, ", \"l1_hits\": %" PRIu64, s->l1_hits);
		fputc('}', f);
	}
	sites_free(&merged);
	return true;
}

struct checks {
	bool lookups_add_up, sites_add_up;
};

static bool adds_up(const struct counts *c)
{
	return c->l1_hits + c->stlb_hits + c->walks[PAGE_4K] + c->walks[PAGE_2M] +
	       c->walks[PAGE_1G] + c->not_mapped == c->lookups;
}

static bool write_window(FILE *f, unsigned int window, struct checks *checks)
{
	struct sums sites = { 0 }, totals = { 0 };
	unsigned int v, w, written = 0;
	struct tally zero = { 0 }, whole;

	fprintf(f, "%s{\"id\": %u, \"vcpus\": [\n", window ? ",\n" : "", window);
	for (v = 0; v < MAX_VCPUS; v++) {
		struct vcpu *vcpu = &plugin.vcpus[v];
		const struct counts *c;
		struct tally now;

		if (!vcpu->present)
			continue;
		if (!window) {
			whole = zero;
			tally_now(v, &now);
			tally_add(&whole, &zero, &now);
			vcpu->windows[0] = whole;
		}
		c = &vcpu->windows[window].model;
		totals.stlb_hits += c->stlb_hits;
		totals.walks += c->walks[PAGE_4K] + c->walks[PAGE_2M] + c->walks[PAGE_1G];
		if (!adds_up(c) || !adds_up(&vcpu->windows[window].data))
			checks->lookups_add_up = false;
		if (written++)
			fputs(",\n", f);
		write_tally(f, v, &vcpu->windows[window]);
	}
	fputs("],\n \"watch\": [", f);
	for (w = 0; w < plugin.watches; w++) {
		uint64_t count = 0;

		for (v = 0; v < MAX_VCPUS; v++)
			count += plugin.vcpus[v].windows[window].score.watch[w];
		fprintf(f, "%s{\"address\": \"0x%" PRIx64 "\", \"count\": %" PRIu64 "}",
			w ? ", " : "", plugin.watch[w], count);
	}
	if (data_side_followed())
		write_data(f, window);
	if (!write_sites(f, window, &sites))
		return false;
	fputs("]}", f);
	if (sites.stlb_hits != totals.stlb_hits || sites.walks != totals.walks)
		checks->sites_add_up = false;
	return true;
}

static bool write_report(FILE *f)
{
	struct checks checks = { true, true };
	unsigned int window, vcpus = 0;

	for (window = 0; window < MAX_VCPUS; window++)
		vcpus += plugin.vcpus[window].present;
	write_head(f);
	fprintf(f, "\"vcpus\": %u,\n\"windows\": [\n", vcpus);
	for (window = 0; window < MAX_WINDOWS; window++)
		if ((!window || (plugin.seen[window] && window != plugin.window)) &&
		    !write_window(f, window, &checks))
			return false;
	fputs("],\n\"unclosed\": [", f);
	if (plugin.window)
		fprintf(f, "%u", plugin.window);
	fprintf(f, "],\n\"self_checks\": [\n"
		" {\"name\": \"hits, walks and unmapped fetches add up to lookups\", \"ok\": %s, \"detail\": \"\"},\n"
		" {\"name\": \"sites add up to the totals\", \"ok\": %s, \"detail\": \"\"},\n"
		" {\"name\": \"every window is closed\", \"ok\": %s, \"detail\": \"\"},\n"
		" {\"name\": \"registers are where they were found\", \"ok\": %s, \"detail\": \"\"},\n"
		" {\"name\": \"markers make sense\", \"ok\": %s, \"detail\": \"%u do not\"}\n]}\n",
		boolean(checks.lookups_add_up), boolean(checks.sites_add_up),
		boolean(!plugin.window), boolean(!plugin.register_errors),
		boolean(!plugin.marker_errors), plugin.marker_errors);
	return true;
}

bool report_write(const char *path)
{
	char *temporary = g_strdup_printf("%s.new", path);
	FILE *f = fopen(temporary, "w");
	bool ok = f && write_report(f) && !fflush(f) && !ferror(f);

	if (f && fclose(f))
		ok = false;
	if (ok && rename(temporary, path))
		ok = false;
	if (!ok) {
		fprintf(stderr, "itlb: %s: no report: %s\n", path, strerror(errno));
		unlink(temporary);
	}
	g_free(temporary);
	return ok;
}
