// SPDX-License-Identifier: GPL-2.0-only
/* The report: one JSON document, complete or empty. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "machine.h"

#define SCHEMA 2

static const char *const flush_names[FLUSH_KINDS] = {
	"cr3_switch", "cr3_slot", "cr3_same", "cr3_flush", "cr0", "cr4", "invlpg", "invpcid",
	"cr3_behind",
};

static const char *boolean(bool value)
{
	return value ? "true" : "false";
}

static void write_head(FILE *f, const struct machine *m)
{
	const struct policy *p = &m->policy;
	const char *spaces = p->pcid == ASID_FLUSH ? "one" :
		m->cores[0].asid.by_context ? "contexts" : "page tables";
	const char *data_side = m->data_followed ? "true" : p->data_side ? "\"apart\"" : "false";

	fprintf(f, "{\"schema\": %d,\n\"profile\": {", SCHEMA);
	profile_write_json(f, &m->profile);
	fprintf(f, "},\n\"policy\": {\"pcid\": \"%s\", \"host_page\": \"%s\", \"address_spaces\": \"%s\", \"data_side\": %s, \"pti\": \"%s\"},\n",
		p->pcid == ASID_TAGGED ? "tagged" : "flush",
		p->host_4k ? "4k" : "2m",
		spaces, data_side,
		m->origin.isolation ? "on" : "off");
	fprintf(f, "\"qemu\": {\"plugin_api\": %d, \"physical_reads\": \"%s\"},\n",
		m->origin.api, m->origin.physical_reads);
}

static void write_walks(FILE *f, const struct machine *m, const struct counts *c)
{
	unsigned int size;

	for (size = 0; size < PAGE_SIZES; size++)
		if (size != PAGE_16K || m->coalesces)
			fprintf(f, ", \"walks_%s\": %" PRIu64, page_size_name(size), c->walks[size]);
}

static void write_tally(FILE *f, const struct machine *m, unsigned int vcpu, const struct tally *t)
{
	unsigned int i;

	fprintf(f, "  {\"vcpu\": %u, \"lookups\": %" PRIu64 ", \"l1_hits\": %" PRIu64
		", \"stlb_hits\": %" PRIu64, vcpu, t->model.lookups, t->model.l1_hits,
		t->model.stlb_hits);
	write_walks(f, m, &t->model);
	fprintf(f, ", \"walks_not_mapped\": %" PRIu64 ", \"insns_kernel\": %" PRIu64
		", \"insns_user\": %" PRIu64 ", \"flushes\": {", t->model.not_mapped,
		t->score.insns_kernel, t->score.insns_user);
	for (i = 0; i < FLUSH_KINDS; i++)
		fprintf(f, "%s\"%s\": %" PRIu64, i ? ", " : "", flush_names[i], t->flushes[i]);
	fputs("}}", f);
}

/* The counts of loads and stores, of every vCPU that is there. */
static void write_data(FILE *f, const struct machine *m, unsigned int window)
{
	const char *comma = "";
	unsigned int v;

	fputs("],\n \"data\": [", f);
	for (v = 0; v < MAX_VCPUS; v++) {
		const struct counts *c = &m->cores[v].windows[window].data;

		if (!m->cores[v].present)
			continue;
		fprintf(f, "%s\n  {\"vcpu\": %u, \"lookups\": %" PRIu64 ", \"l1_hits\": %" PRIu64
			", \"stlb_hits\": %" PRIu64, comma, v, c->lookups, c->l1_hits, c->stlb_hits);
		write_walks(f, m, c);
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
static bool merge_sites(const struct machine *m, unsigned int window, struct sites *merged)
{
	unsigned int v;
	size_t i, n = 0;

	for (v = 0; v < MAX_VCPUS; v++) {
		const struct sites *from = &m->cores[v].sites[window];

		for (i = 0; i < from->capacity; i++) {
			const struct site *s = &from->slots[i];
			struct site *to;

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

static bool write_sites(FILE *f, const struct machine *m, unsigned int window,
			struct sums *sums)
{
	struct sites merged = { 0 };
	size_t i;

	if (!merge_sites(m, window, &merged))
		return false;
	fputs("],\n \"sites\": [", f);
	for (i = 0; i < merged.count; i++) {
		const struct site *s = &merged.slots[i];

		sums->stlb_hits += s->stlb_hits;
		sums->walks += s->walks;
		fprintf(f, "%s\n  {\"address\": \"0x%" PRIx64 "\", \"user\": %s, \"global\": %s, \"page\": \"%s\", \"stlb_hits\": %" PRIu64 ", \"walks\": %" PRIu64,
			i ? "," : "", s->address, boolean(!(s->address >> 63)),
			boolean(s->global), page_size_name(s->size), s->stlb_hits, s->walks);
		if (m->policy.hits)
			fprintf(f, ", \"l1_hits\": %" PRIu64, s->l1_hits);
		fputc('}', f);
	}
	sites_free(&merged);
	return true;
}

struct checks {
	bool lookups_add_up, sites_add_up;
};

static uint64_t all_walks(const struct counts *c)
{
	unsigned int size;
	uint64_t sum = 0;

	for (size = 0; size < PAGE_SIZES; size++)
		sum += c->walks[size];
	return sum;
}

static bool adds_up(const struct counts *c)
{
	return c->l1_hits + c->stlb_hits + all_walks(c) + c->not_mapped == c->lookups;
}

static bool write_window(FILE *f, struct machine *m, const struct score *scores,
			 unsigned int window, struct checks *checks)
{
	struct sums sites = { 0 }, totals = { 0 };
	unsigned int v, w, written = 0;

	fprintf(f, "%s{\"id\": %u, \"vcpus\": [\n", window ? ",\n" : "", window);
	for (v = 0; v < MAX_VCPUS; v++) {
		struct core *core = &m->cores[v];
		const struct counts *c;

		if (!core->present)
			continue;
		if (!window)
			tally_now(core, &scores[v], &core->windows[0]);
		c = &core->windows[window].model;
		totals.stlb_hits += c->stlb_hits;
		totals.walks += all_walks(c);
		if (!adds_up(c) || !adds_up(&core->windows[window].data))
			checks->lookups_add_up = false;
		if (written++)
			fputs(",\n", f);
		write_tally(f, m, v, &core->windows[window]);
	}
	fputs("],\n \"watch\": [", f);
	for (w = 0; w < m->watches; w++) {
		uint64_t count = 0;

		for (v = 0; v < MAX_VCPUS; v++)
			count += m->cores[v].windows[window].score.watch[w];
		fprintf(f, "%s{\"address\": \"0x%" PRIx64 "\", \"count\": %" PRIu64 ", \"exact\": %s}",
			w ? ", " : "", m->watch[w], count, boolean(w < m->window_armed[window]));
	}
	if (m->data_followed)
		write_data(f, m, window);
	if (!write_sites(f, m, window, &sites))
		return false;
	fputs("]}", f);
	if (sites.stlb_hits != totals.stlb_hits || sites.walks != totals.walks)
		checks->sites_add_up = false;
	return true;
}

static void write_snapshots(FILE *f, const struct machine *m)
{
	unsigned int i;

	fputs("\"watched\": [", f);
	for (i = 0; i < m->watches; i++)
		fprintf(f, "%s\"0x%" PRIx64 "\"", i ? ", " : "", m->watch[i]);
	fprintf(f, "],\n\"armed\": %s,\n\"snapshots\": [", boolean(m->armed == m->watches));
	for (i = 0; i < m->snapshot_count; i++) {
		fputs(i ? ",\n" : "\n", f);
		snapshot_write_json(f, m->snapshots[i]);
	}
	fputs("],\n", f);
}

static bool write_report(FILE *f, struct machine *m, const struct score *scores)
{
	struct checks checks = { true, true };
	unsigned int window, vcpus = 0, mismatches = 0;

	for (window = 0; window < MAX_VCPUS; window++) {
		vcpus += m->cores[window].present;
		mismatches += m->cores[window].asid.mismatches;
	}
	write_head(f, m);
	fprintf(f, "\"vcpus\": %u,\n\"windows\": [\n", vcpus);
	for (window = 0; window < MAX_WINDOWS; window++)
		if ((!window || (m->seen[window] && window != m->window)) &&
		    !write_window(f, m, scores, window, &checks))
			return false;
	fputs("],\n", f);
	write_snapshots(f, m);
	fputs("\"unclosed\": [", f);
	if (m->window)
		fprintf(f, "%u", m->window);
	fprintf(f, "],\n\"self_checks\": [\n"
		" {\"name\": \"hits, walks and unmapped fetches add up to lookups\", \"ok\": %s, \"detail\": \"\"},\n"
		" {\"name\": \"sites add up to the totals\", \"ok\": %s, \"detail\": \"\"},\n"
		" {\"name\": \"every window is closed\", \"ok\": %s, \"detail\": \"\"},\n"
		" {\"name\": \"registers are where they were found\", \"ok\": %s, \"detail\": \"\"},\n"
		" {\"name\": \"QEMU tells the vCPU that runs\", \"ok\": %s, \"detail\": \"%u times it did not\"},\n"
		" {\"name\": \"an address space has one page table\", \"ok\": %s, \"detail\": \"%u do not\"},\n"
		" {\"name\": \"markers make sense\", \"ok\": %s, \"detail\": \"%u do not\"}\n]}\n",
		boolean(checks.lookups_add_up), boolean(checks.sites_add_up),
		boolean(!m->window), boolean(!m->register_errors), boolean(!m->vcpu_errors), m->vcpu_errors,
		boolean(!mismatches), mismatches,
		boolean(!m->marker_errors), m->marker_errors);
	return true;
}

FILE *report_open(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		fprintf(stderr, "itlb: %s: no report: %s\n", path, strerror(errno));
	return f;
}

bool report_write(FILE *f, const char *path, struct machine *m, const struct score *scores)
{
	bool ok = write_report(f, m, scores) && !fflush(f) && !ferror(f);

	if (!ok) {
		fprintf(stderr, "itlb: %s: no report: %s\n", path, strerror(errno));
		if (ftruncate(fileno(f), 0))
			perror("itlb");
	}
	return !fclose(f) && ok;
}
