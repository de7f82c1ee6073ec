// SPDX-License-Identifier: GPL-2.0-only
/*
 * Feeds the model from text and records a trace of it, for the tests of both: a report of
 * what was fed and a trace that must replay to the same. Options as for the plugin.
 *
 *   v N                     vCPU N is there
 *   f N VADDR PAGE GLOBAL   fetch by vCPU N; PAGE is 0 (4 kB), 1 (16 kB), 2 (2 MB), 3 (1 GB), 4 (none)
 *   l, s N VADDR PAGE GLOBAL   load, store
 *   g N ID GENERATION       the kernel's record of the loaded context
 *   c N VALUE               write of CR3
 *   x N KIND                flush of all (enum flush_kind)
 *   i N VADDR               INVLPG
 *   o, k W COUNT            window W opens, closes; all CPUs have executed COUNT so far
 *   w VADDR                 watch
 *   a                       arm
 *   t ID SEED COUNT         snapshot of COUNT runs or fewer, with page tables drawn from SEED
 *   e                       a marker that makes no sense
 *
 * Numbers are hexadecimal.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "trace.h"

static struct machine m;
static struct score scores[MAX_VCPUS];

static bool walk(void *context, uint64_t vaddr, struct translation *found)
{
	const struct event *e = context;

	(void)vaddr;	/* the event has it */
	if (e->size == PAGE_SIZES)
		return false;
	*found = translation_of(e->size, e->global);
	machine_translation(&m, found);
	return true;
}

/* All CPUs have executed @count instructions so far, and each watch its own share of that. */
static void count(uint64_t count)
{
	unsigned int i, w;

	for (i = 0; i < MAX_VCPUS; i++) {
		scores[i] = (struct score){ .insns_kernel = count + i };
		for (w = 0; w < m.watches; w++)
			scores[i].watch[w] = count + 3 * i + w;
	}
}

static uint64_t draw(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static void snapshot(struct trace *t, uint64_t id, uint64_t seed, uint64_t runs)
{
	struct snapshot *s;
	uint64_t at = 0xffff888000000000ull;
	bool ok;

	count(seed);
	s = machine_snapshot(&m, id, scores, &ok);
	if (!s) {
		trace_marker_error(t);
		return;
	}
	s->isolated = draw(&seed) & 1;
	s->has_direct_map = draw(&seed) & 1;
	s->direct_map = s->has_direct_map ? at : 0;
	if (draw(&seed) & 1)
		snapshot_refuse(s, "more page tables than are read");
	while (runs--) {
		struct run run = {
			.start = at, .pages = draw(&seed) % 5000 + 1, .size = size_at_level(draw(&seed) % 3 + 1),
			.flags = draw(&seed) % RUN_FLAGS,
		};

		snapshot_add(s, &run);
		at += (run.pages << page_shift(run.size)) + (draw(&seed) % 3 << 12);
	}
	trace_snapshot(t, s, &m, scores);
	machine_keep(&m, s);
}

static void feed(struct trace *t, char op, const uint64_t *n)
{
	struct event e = { .value = n[1], .size = n[2], .global = n[3] };

	switch (op) {
	case 'v':
		machine_add_core(&m, n[0]);
		trace_core(t, n[0]);
		break;
	case 'f':
		e.kind = EVENT_FETCH;
		trace_event(t, n[0], &e);
		machine_fetch(&m, n[0], n[1], walk, &e);
		break;
	case 'l':
	case 's':
		e.kind = op == 's' ? EVENT_STORE : EVENT_LOAD;
		trace_event(t, n[0], &e);
		machine_data(&m, n[0], n[1], op == 's', walk, &e);
		break;
	case 'g':
		e = (struct event){ .value = n[1] << 32 | n[2], .kind = EVENT_CONTEXT };
		trace_event(t, n[0], &e);
		machine_context(&m, n[0], n[1], n[2]);
		break;
	case 'c':
		e.kind = EVENT_CR3;
		trace_event(t, n[0], &e);
		machine_cr3(&m, n[0], n[1]);
		break;
	case 'x':
		e.kind = EVENT_FLUSH;
		trace_event(t, n[0], &e);
		machine_flush(&m, n[0], n[1]);
		break;
	case 'i':
		e.kind = EVENT_INVLPG;
		trace_event(t, n[0], &e);
		machine_invlpg(&m, n[0], n[1]);
		break;
	case 'o':
	case 'k':
		count(n[1]);
		trace_window(t, op == 'o' ? MARK_OPEN : MARK_CLOSE, n[0], &m, scores);
		(op == 'o' ? machine_open : machine_close)(&m, n[0], scores);
		break;
	case 'w':
		trace_watch(t, n[0]);
		machine_watch(&m, n[0]);
		break;
	case 'a':
		trace_arm(t);
		machine_arm(&m);
		break;
	case 't':
		snapshot(t, n[0], n[1], n[2]);
		break;
	default:
		trace_marker_error(t);
		m.marker_errors++;
	}
}

int main(int argc, char **argv)
{
	struct paths paths = { 0 };
	char line[256], error[512];
	struct trace *t;
	FILE *report;
	bool ok;
	int i;

	m.policy.pcid = ASID_TAGGED;
	for (i = 1; i < argc; i++)
		if (!options_parse(argv[i], &paths, &m))
			return 2;
	if (!machine_profile(&m, paths.profile, error, sizeof(error))) {
		fprintf(stderr, "recorder: %s\n", error);
		return 2;
	}
	m.origin.data_side = m.policy.data_side;
	m.origin.api = 4;
	strcpy(m.origin.physical_reads, "none");
	t = trace_begin(paths.trace, &m.origin);
	if (!t)
		return 3;
	while (fgets(line, sizeof(line), stdin)) {
		uint64_t n[4] = { 0 };

		sscanf(line + 1, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64, &n[0], &n[1],
		       &n[2], &n[3]);
		feed(t, line[0], n);
	}
	report = report_open(paths.out);
	ok = trace_end(t, &m, scores) && report && report_write(report, paths.out, &m, scores);
	machine_free(&m);
	return ok ? 0 : 3;
}
