// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "trace.h"

#define CHUNK 65536

struct reader {
	struct machine *m;
	gzFile file;
	const char *path;
	char *error;
	size_t error_size;
	uint8_t buffer[CHUNK];
	unsigned int at, end;
	struct guess guess;
	uint64_t events;
	unsigned int vcpu;
	uint64_t version;
	struct event *numbered;
	uint32_t count, room;
	uint64_t last[EVENT_KINDS];
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct reader *r, const char *format, ...)
{
	size_t used = snprintf(r->error, r->error_size, "%s: ", r->path);
	va_list list;

	if (used < r->error_size) {
		va_start(list, format);
		vsnprintf(r->error + used, r->error_size - used, format, list);
		va_end(list);
	}
	return false;
}

/* The next bytes of the stream; false with the reason when there are none. */
static bool fill(struct reader *r)
{
	int got = gzread(r->file, r->buffer, sizeof(r->buffer)), code;
	const char *why;

	r->at = 0;
	r->end = got > 0 ? got : 0;
	if (got > 0)
		return true;
	why = gzerror(r->file, &code);
	if (got < 0 && code != Z_BUF_ERROR)
		return refuse(r, "the trace is damaged: %s", why);
	return refuse(r, "the trace is cut short");
}

static bool get_byte(struct reader *r, uint8_t *byte)
{
	if (r->at == r->end && !fill(r))
		return false;
	*byte = r->buffer[r->at++];
	return true;
}

static bool get_number(struct reader *r, uint64_t *value)
{
	unsigned int shift = 0;
	uint8_t byte;

	*value = 0;
	do {
		if (!get_byte(r, &byte))
			return false;
		if (shift > 63 || (shift == 63 && byte > 1))
			return refuse(r, "the trace is damaged: a number is too long");
		*value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return true;
}

/* Text that a report can have in a string. */
static bool get_text(struct reader *r, char *text, size_t size, const char *where)
{
	uint64_t length;
	unsigned int i;

	if (!get_number(r, &length))
		return false;
	if (length >= size)
		return refuse(r, "the trace is damaged: %s", where);
	for (i = 0; i < length; i++) {
		uint8_t byte;

		if (!get_byte(r, &byte))
			return false;
		if (byte < ' ' || byte > '~' || byte == '"' || byte == '\\')
			return refuse(r, "the trace is damaged: %s", where);
		text[i] = byte;
	}
	text[length] = 0;
	return true;
}

static bool get_vcpu(struct reader *r, uint64_t value, bool present)
{
	if (value >= MAX_VCPUS || r->m->cores[value].present != present)
		return refuse(r, "the trace is damaged: vCPU %llu", (unsigned long long)value);
	return true;
}

static bool get_header(struct reader *r)
{
	char magic[sizeof(TRACE_MAGIC) - 1];
	struct origin *o = &r->m->origin;
	uint64_t api;
	uint8_t flags;
	unsigned int i;

	for (i = 0; i < sizeof(magic); i++)
		if (!get_byte(r, (uint8_t *)&magic[i]))
			return gzdirect(r->file) ? refuse(r, "this is not a trace") : false;
	if (gzdirect(r->file) || memcmp(magic, TRACE_MAGIC, sizeof(magic)))
		return refuse(r, "this is not a trace");
	if (!get_number(r, &r->version))
		return false;
	if (r->version < TRACE_OLDEST || r->version > TRACE_VERSION)
		return refuse(r, "the trace has version %llu; this program reads versions %u to %u",
			      (unsigned long long)r->version, TRACE_OLDEST, TRACE_VERSION);
	if (!get_byte(r, &flags) || !get_number(r, &api))
		return false;
	if (flags > 3 || api > INT32_MAX)
		return refuse(r, "the trace is damaged: its header");
	memset(o, 0, sizeof(*o));
	o->isolation = flags & 1;
	o->data_side = flags & 2;
	o->api = api;
	if (!get_text(r, o->physical_reads, sizeof(o->physical_reads), "its header"))
		return false;
	if (r->m->data_followed && !o->data_side)
		return refuse(r, "the trace has no loads and stores: record it with data=on");
	if (r->m->coalesces && r->version == TRACE_OLDEST)
		return refuse(r, "the trace has version %llu, which does not say which pages share an entry on this CPU: record it again",
			      (unsigned long long)r->version);
	return true;
}

static bool walk(void *context, uint64_t vaddr, struct translation *found)
{
	const struct reader *r = context;
	const struct event *e = &r->numbered[r->guess.before[0] - MARKS];

	(void)vaddr;	/* the event has it */
	if (e->size == PAGE_SIZES)
		return false;
	*found = translation_of(e->size, e->global);
	machine_translation(r->m, found);
	return true;
}

static bool happen(struct reader *r, uint32_t number)
{
	const struct event *e = &r->numbered[number - MARKS];

	r->events++;
	guess_seen(&r->guess, number);
	if (e->kind == EVENT_VCPU) {
		r->vcpu = e->value;
		return get_vcpu(r, e->value, true);
	}
	if (!r->m->cores[r->vcpu].present)
		return get_vcpu(r, r->vcpu, true);
	switch ((enum event_kind)e->kind) {
	case EVENT_FETCH:
		if (!machine_fetch(r->m, r->vcpu, e->value, walk, r))
			return refuse(r, "out of memory");
		break;
	case EVENT_LOAD:
	case EVENT_STORE:
		machine_data(r->m, r->vcpu, e->value, e->kind == EVENT_STORE, walk, r);
		break;
	case EVENT_CONTEXT:
		machine_context(r->m, r->vcpu, e->value >> 32, e->value & UINT32_MAX);
		break;
	case EVENT_CR3:
		machine_cr3(r->m, r->vcpu, e->value);
		break;
	case EVENT_FLUSH:
		machine_flush(r->m, r->vcpu, e->value);
		break;
	case EVENT_INVLPG:
		machine_invlpg(r->m, r->vcpu, e->value);
		break;
	case EVENT_NONE:
	case EVENT_VCPU:
	case EVENT_KINDS:
		break;
	}
	return true;
}

/* Makes *size what it is in this version, whatever the trace's. */
static bool known_size(const struct reader *r, uint8_t *size)
{
	if (r->version == TRACE_OLDEST && *size >= PAGE_16K)
		++*size;
	return *size <= PAGE_SIZES;
}

static bool get_new_event(struct reader *r)
{
	struct event e = { 0 };
	uint64_t coded;
	uint8_t head;

	if (!get_byte(r, &head) || !get_number(r, &coded))
		return false;
	e.kind = head & 15;
	e.size = head >> 4 & 7;
	e.global = head >> 7;
	if (!known_size(r, &e.size) || e.kind == EVENT_NONE || e.kind >= EVENT_KINDS)
		return refuse(r, "the trace is damaged: an event of kind %u", head);
	e.value = r->last[e.kind] + (coded >> 1 ^ -(coded & 1));
	r->last[e.kind] = e.value;
	if ((e.kind == EVENT_VCPU && e.value >= MAX_VCPUS) ||
	    (e.kind == EVENT_FLUSH && e.value >= FLUSH_KINDS))
		return refuse(r, "the trace is damaged: an event's value");
	if (r->count == r->room) {
		uint32_t room = r->room ? 2 * r->room : 4096;
		struct event *numbered = NULL;

		if (room <= TRACE_MAX_EVENTS)
			numbered = realloc(r->numbered, room * sizeof(*numbered));
		if (!numbered)
			return refuse(r, "out of memory");
		r->numbered = numbered;
		r->room = room;
	}
	r->numbered[r->count++] = e;
	return true;
}

static bool get_scores(struct reader *r, struct score *scores)
{
	unsigned int v, w;

	for (v = 0; v < MAX_VCPUS; v++) {
		if (!r->m->cores[v].present)
			continue;
		if (!get_number(r, &scores[v].insns_kernel) ||
		    !get_number(r, &scores[v].insns_user))
			return false;
		for (w = 0; w < r->m->watches; w++)
			if (!get_number(r, &scores[v].watch[w]))
				return false;
	}
	return true;
}

static bool get_end(struct reader *r, struct score *scores)
{
	uint64_t events, errors, vcpu_errors;
	uint8_t byte;
	int got, code;

	if (!get_number(r, &events) || !get_number(r, &errors) || !get_scores(r, scores) ||
	    !get_number(r, &vcpu_errors))
		return false;
	if (events != r->events || (errors | vcpu_errors) > UINT32_MAX)
		return refuse(r, "the trace is damaged: %llu events instead of %llu",
			      (unsigned long long)r->events, (unsigned long long)events);
	r->m->register_errors = errors;
	r->m->vcpu_errors = vcpu_errors;
	/* The end of the stream: gzip's own check of it is made only when it is read. */
	got = r->at < r->end ? 1 : gzread(r->file, &byte, 1);
	if (got > 0)
		return refuse(r, "the trace goes on after its end");
	gzerror(r->file, &code);
	if (got < 0 || code == Z_BUF_ERROR)
		return refuse(r, got < 0 && code != Z_BUF_ERROR ? "the trace is damaged" :
				 "the trace is cut short");
	return true;
}

static bool get_run(struct reader *r, struct snapshot *s, uint64_t *end)
{
	uint64_t distance, pages;
	struct run run;
	uint8_t head;

	if (!get_byte(r, &head) || !get_number(r, &distance) || !get_number(r, &pages))
		return false;
	if (head >> 4 >= PAGE_SIZES || !pages)
		return refuse(r, "the trace is damaged: a run of pages");
	run = (struct run){ *end + distance, pages, head >> 4, head % RUN_FLAGS };
	*end = run.start + (pages << page_shift(run.size));
	return snapshot_add(s, &run) || refuse(r, "out of memory");
}

static bool get_tables(struct reader *r, struct snapshot *s)
{
	uint64_t count, end = 0;
	uint8_t flags;

	if (!get_byte(r, &flags) || !get_number(r, &s->direct_map))
		return false;
	if (flags > 7)
		return refuse(r, "the trace is damaged: a snapshot");
	s->complete = flags & 1;
	s->isolated = flags & 2;
	s->has_direct_map = flags & 4;
	if (!get_text(r, s->reason, sizeof(s->reason), "a snapshot") || !get_number(r, &count))
		return false;
	for (; count; count--)
		if (!get_run(r, s, &end))
			return false;
	return true;
}

static bool get_snapshot(struct reader *r, struct score *scores)
{
	struct snapshot *s;
	uint64_t id;
	bool ok;

	if (!get_number(r, &id) || !get_scores(r, scores))
		return false;
	s = machine_snapshot(r->m, id, scores, &ok);
	if (!s)
		return refuse(r, ok ? "out of memory" : "the trace is damaged: a snapshot");
	machine_keep(r->m, s);
	return get_tables(r, s);
}

static bool get_mark(struct reader *r, uint64_t mark, struct score *scores)
{
	uint64_t value;

	switch (mark) {
	case MARK_EVENT:
		return get_new_event(r);
	case MARK_CORE:
		if (!get_number(r, &value) || !get_vcpu(r, value, false))
			return false;
		return machine_add_core(r->m, value) || refuse(r, "out of memory");
	case MARK_OPEN:
	case MARK_CLOSE:
		if (!get_number(r, &value) || !get_scores(r, scores))
			return false;
		(mark == MARK_OPEN ? machine_open : machine_close)(r->m, value, scores);
		return true;
	case MARK_WATCH:
		if (!get_number(r, &value))
			return false;
		machine_watch(r->m, value);
		return true;
	case MARK_ARM:
		machine_arm(r->m);
		return true;
	case MARK_SNAPSHOT:
		return get_snapshot(r, scores);
	default:
		r->m->marker_errors++;
		return true;
	}
}

static bool get_records(struct reader *r, struct score *scores)
{
	uint64_t run, number;

	for (;;) {
		if (!get_number(r, &run))
			return false;
		if (run > TRACE_MAX_RUN)
			return refuse(r, "the trace is damaged: a run of %llu",
				      (unsigned long long)run);
		for (; run; run--) {
			uint32_t expected = *guess_slot(&r->guess);

			if (!expected)
				return refuse(r, "the trace is damaged: nothing to guess");
			if (!happen(r, expected))
				return false;
		}
		if (!get_number(r, &number))
			return false;
		if (number == MARK_END)
			return get_end(r, scores);
		if (number < MARKS) {
			if (!get_mark(r, number, scores))
				return false;
			continue;
		}
		if (number - MARKS >= r->count)
			return refuse(r, "the trace is damaged: event %llu is not known",
				      (unsigned long long)number);
		*guess_slot(&r->guess) = number;
		if (!happen(r, number))
			return false;
	}
}

bool trace_replay(const char *path, struct machine *m, struct score *scores, char *error,
		  size_t error_size)
{
	struct reader *r = calloc(1, sizeof(*r));
	bool ok;

	snprintf(error, error_size, "%s: out of memory", path);
	if (!r)
		return false;
	r->m = m;
	r->path = path;
	r->error = error;
	r->error_size = error_size;
	r->file = gzopen(path, "rb");
	if (r->file) {
		ok = get_header(r) && get_records(r, scores);
		gzclose_r(r->file);
	} else {
		ok = refuse(r, "it cannot be read");
	}
	free(r->numbered);
	free(r);
	return ok;
}
