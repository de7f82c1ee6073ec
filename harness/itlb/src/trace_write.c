// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "trace.h"

#define FIRST_SLOTS 4096
#define FIRST_NUMBER MARKS

struct trace {
	char *path;
	int fd;				/* of what is written, to take it back */
	gzFile file;
	bool failed;
	struct guess guess;
	uint32_t run;			/* right guesses that are not written yet */
	uint64_t events;
	unsigned int vcpu;
	struct event *numbered;		/* from FIRST_NUMBER on */
	uint32_t count, room;
	uint32_t *slots;		/* hash table of numbers, 0: free */
	uint32_t capacity;
	uint64_t last[EVENT_KINDS];	/* value of the last new event of each kind */
};

static void put(struct trace *t, const void *data, size_t size)
{
	if (!t->failed && gzwrite(t->file, data, size) != (int)size)
		t->failed = true;
}

static void put_number(struct trace *t, uint64_t value)
{
	uint8_t bytes[10];
	unsigned int n = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[n++] = value | 0x80;
	bytes[n++] = value;
	put(t, bytes, n);
}

static bool equal(const struct event *a, const struct event *b)
{
	return a->value == b->value && a->kind == b->kind && a->size == b->size &&
	       a->global == b->global;
}

static uint32_t *slot_of(const struct trace *t, const struct event *e)
{
	uint64_t hash = (e->value ^ (uint64_t)e->kind << 52 ^ (uint64_t)e->size << 60 ^
			 (uint64_t)e->global << 59) * 0x9e3779b97f4a7c15ull;
	uint32_t i = (hash >> 32) & (t->capacity - 1);

	while (t->slots[i] && !equal(&t->numbered[t->slots[i] - FIRST_NUMBER], e))
		i = (i + 1) & (t->capacity - 1);
	return &t->slots[i];
}

static bool grow(struct trace *t)
{
	uint32_t capacity = t->capacity ? 2 * t->capacity : FIRST_SLOTS, i;
	struct event *numbered = realloc(t->numbered, capacity / 2 * sizeof(*numbered));
	uint32_t *slots = calloc(capacity, sizeof(*slots));

	if (numbered)
		t->numbered = numbered;
	if (!numbered || !slots || t->count >= TRACE_MAX_EVENTS) {
		free(slots);
		return false;
	}
	free(t->slots);
	t->slots = slots;
	t->capacity = capacity;
	t->room = capacity / 2;
	for (i = 0; i < t->count; i++)
		*slot_of(t, &t->numbered[i]) = FIRST_NUMBER + i;
	return true;
}

static void put_run(struct trace *t)
{
	put_number(t, t->run);
	t->run = 0;
}

/* A mark does not disturb the guesses. */
static void put_mark(struct trace *t, enum mark mark)
{
	put_run(t);
	put_number(t, mark);
}

static uint64_t zigzag(uint64_t difference)
{
	return difference << 1 ^ (uint64_t)((int64_t)difference >> 63);
}

static uint32_t number_of(struct trace *t, const struct event *e)
{
	uint32_t *slot;

	if (t->count == t->room && !grow(t)) {
		t->failed = true;
		return 0;
	}
	slot = slot_of(t, e);
	if (!*slot) {
		uint8_t head = e->kind | e->size << 4 | e->global << 7;

		put_mark(t, MARK_EVENT);
		put(t, &head, 1);
		put_number(t, zigzag(e->value - t->last[e->kind]));
		t->last[e->kind] = e->value;
		t->numbered[t->count] = *e;
		*slot = FIRST_NUMBER + t->count++;
	}
	return *slot;
}

static void add_event(struct trace *t, const struct event *e)
{
	uint32_t *expected = guess_slot(&t->guess), number = *expected;

	if (t->failed)
		return;
	t->events++;
	if (number && equal(&t->numbered[number - FIRST_NUMBER], e) && t->run < TRACE_MAX_RUN) {
		t->run++;
	} else {
		number = number_of(t, e);
		if (!number)
			return;
		put_run(t);
		put_number(t, number);
		*expected = number;
	}
	guess_seen(&t->guess, number);
}

void trace_event(struct trace *t, unsigned int vcpu, const struct event *event)
{
	if (vcpu != t->vcpu) {
		struct event turn = { .value = vcpu, .kind = EVENT_VCPU };

		t->vcpu = vcpu;
		add_event(t, &turn);
	}
	add_event(t, event);
}

void trace_core(struct trace *t, unsigned int vcpu)
{
	put_mark(t, MARK_CORE);
	put_number(t, vcpu);
}

/* Of the CPUs and watches that there are; both ends know them. */
static void put_scores(struct trace *t, const struct machine *m, const struct score *scores)
{
	unsigned int v, w;

	for (v = 0; v < MAX_VCPUS; v++) {
		if (!m->cores[v].present)
			continue;
		put_number(t, scores[v].insns_kernel);
		put_number(t, scores[v].insns_user);
		for (w = 0; w < m->watches; w++)
			put_number(t, scores[v].watch[w]);
	}
}

void trace_window(struct trace *t, enum mark mark, uint64_t window, const struct machine *m,
		  const struct score *scores)
{
	put_mark(t, mark);
	put_number(t, window);
	put_scores(t, m, scores);
}

void trace_watch(struct trace *t, uint64_t address)
{
	put_mark(t, MARK_WATCH);
	put_number(t, address);
}

void trace_arm(struct trace *t)
{
	put_mark(t, MARK_ARM);
}

void trace_snapshot(struct trace *t, const struct snapshot *s, const struct machine *m,
		    const struct score *scores)
{
	uint8_t flags = s->complete | s->isolated << 1 | s->has_direct_map << 2;
	uint64_t end = 0;
	size_t i;

	put_mark(t, MARK_SNAPSHOT);
	put_number(t, s->id);
	put_scores(t, m, scores);
	put(t, &flags, 1);
	put_number(t, s->direct_map);
	put_number(t, strlen(s->reason));
	put(t, s->reason, strlen(s->reason));
	put_number(t, s->count);
	for (i = 0; i < s->count; i++) {
		const struct run *r = &s->runs[i];
		uint8_t head = r->flags | r->size << 4;

		put(t, &head, 1);
		put_number(t, r->start - end);
		put_number(t, r->pages);
		end = r->start + (r->pages << page_shift(r->size));
	}
}

void trace_marker_error(struct trace *t)
{
	put_mark(t, MARK_MARKER_ERROR);
}

static void trace_free(struct trace *t)
{
	if (t->file)
		gzclose(t->file);
	free(t->numbered);
	free(t->slots);
	free(t->path);
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}

struct trace *trace_begin(const char *path, const struct origin *origin)
{
	struct trace *t = calloc(1, sizeof(*t));
	uint8_t flags = origin->isolation | origin->data_side << 1;

	if (!t)
		return NULL;
	t->path = strdup(path);
	t->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	t->file = t->fd < 0 ? NULL : gzdopen(dup(t->fd), "wb4");
	if (!t->path || !t->file || !grow(t)) {
		trace_free(t);
		return NULL;
	}
	put(t, TRACE_MAGIC, strlen(TRACE_MAGIC));
	put_number(t, TRACE_VERSION);
	put(t, &flags, 1);
	put_number(t, origin->api);
	put_number(t, strlen(origin->physical_reads));
	put(t, origin->physical_reads, strlen(origin->physical_reads));
	return t;
}

bool trace_end(struct trace *t, const struct machine *m, const struct score *scores)
{
	bool ok;

	put_mark(t, MARK_END);
	put_number(t, t->events);
	put_number(t, m->register_errors);
	put_scores(t, m, scores);
	put_number(t, m->vcpu_errors);
	ok = gzclose(t->file) == Z_OK && !t->failed;
	t->file = NULL;
	if (!ok) {
		fprintf(stderr, "itlb: %s: no trace: %s\n", t->path, strerror(errno));
		if (ftruncate(t->fd, 0))
			perror("itlb");
	}
	trace_free(t);
	return ok;
}
