/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A recorded trace: all that the model is fed, whatever the profile and the policy.
 *
 * A trace is a gzip stream: a header, then records, then an end record with the number of
 * events. An event (a fetch from a page with the translation that the page tables gave, a
 * write of CR3, a flush) is numbered when it first occurs and written as that number ever
 * after. Each event is guessed from the two before it, as what came after them the last
 * time; only the length of a run of right guesses is written, and the event that ended it.
 *
 * A fetch is recorded where the model looks a page up: the instruction stream is in
 * another page than before, or something was flushed since. What is left out are fetches
 * from the page that the last one was from, which find the first-level entry that is the
 * most recent already and change nothing in any profile. The translation is recorded for
 * each fetch, not only for those that walk, as another profile walks elsewhere.
 */
#ifndef EMB_TRACE_H
#define EMB_TRACE_H

#include "machine.h"

enum event_kind {
	EVENT_NONE,
	EVENT_VCPU,		/* the ones that follow are of vCPU @value */
	EVENT_FETCH,		/* @value: address, that of the page in the user's half */
	EVENT_LOAD, EVENT_STORE,	/* @value: address of the page */
	EVENT_CR3,		/* @value was written */
	EVENT_FLUSH,		/* @value: enum flush_kind */
	EVENT_INVLPG,		/* @value: address */
	EVENT_CONTEXT,		/* @value: id of the loaded context << 32 | its generation */
	EVENT_KINDS
};

struct event {
	uint64_t value;
	uint8_t kind;
	uint8_t size;		/* enum page_size; PAGE_16K: could be held as one; PAGE_SIZES: not mapped */
	bool global;
};

/* What happens too rarely to be guessed. */
enum mark {
	MARK_EVENT,		/* 0: a new event follows and is numbered */
	MARK_CORE,		/* a vCPU is there */
	MARK_OPEN, MARK_CLOSE,	/* window and the scores of all vCPUs */
	MARK_WATCH,
	MARK_ARM,
	MARK_SNAPSHOT,		/* what it has, and the scores */
	MARK_MARKER_ERROR,
	MARK_END,
	MARKS			/* events are numbered from here */
};

#define TRACE_MAGIC "EMBTRACE"
#define TRACE_VERSION 4u
#define TRACE_OLDEST 3u		/* did not say which pages can share an entry */
#define TRACE_MAX_RUN 65535u
#define TRACE_MAX_EVENTS (1u << 24)
#define TRACE_CONTEXTS (1u << 16)

/* The event that is expected next, by the two before it. Both ends keep it alike. */
struct guess {
	uint32_t before[2];
	uint32_t next[TRACE_CONTEXTS];
};

static inline uint32_t *guess_slot(struct guess *g)
{
	uint32_t hash = g->before[0] * 0x9e3779b1u ^ g->before[1] * 0x85ebca6bu;

	return &g->next[(hash ^ hash >> 16) % TRACE_CONTEXTS];
}

static inline void guess_seen(struct guess *g, uint32_t event)
{
	g->before[1] = g->before[0];
	g->before[0] = event;
}

/* trace_write.c. Once something went wrong the rest is dropped and trace_end() is false. */
struct trace *trace_begin(const char *path, const struct origin *origin);
void trace_event(struct trace *t, unsigned int vcpu, const struct event *event);
void trace_core(struct trace *t, unsigned int vcpu);
void trace_window(struct trace *t, enum mark mark, uint64_t window, const struct machine *m,
		  const struct score *scores);
void trace_watch(struct trace *t, uint64_t address);
void trace_arm(struct trace *t);
void trace_snapshot(struct trace *t, const struct snapshot *s, const struct machine *m,
		    const struct score *scores);
void trace_marker_error(struct trace *t);
bool trace_end(struct trace *t, const struct machine *m, const struct score *scores);

/*
 * trace_read.c: feeds the machine (its profile and policy are set) with a whole trace and
 * gives the scores at its end. False with one line in @error.
 */
bool trace_replay(const char *path, struct machine *m, struct score *scores, char *error,
		  size_t error_size);

#endif
