/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The modelled machine: its CPUs' TLBs, what they counted, by window and by site. It is
 * fed by the plugin or from a recorded trace and knows nothing of either.
 */
#ifndef EMB_MACHINE_H
#define EMB_MACHINE_H

#include "asid.h"
#include "hierarchy.h"
#include "profile.h"
#include "sites.h"
#include "snapshot.h"

#define MAX_VCPUS 64
#define MAX_WINDOWS 32		/* window 0 is the whole run */
#define MAX_WATCH 125		/* makes an element of the scoreboard a power of two */
#define WATCH_SLOTS 512		/* a power of two, well above MAX_WATCH */
#define MAX_WAY_NAME 64
#define NO_PAGE UINT64_MAX	/* no page: not aligned, so never equal to one */

enum flush_kind {
	FLUSH_CR3_SWITCH, FLUSH_CR3_SLOT, FLUSH_CR3_SAME, FLUSH_CR3, FLUSH_CR0, FLUSH_CR4,
	FLUSH_INVLPG, FLUSH_INVPCID, FLUSH_CR3_BEHIND, FLUSH_KINDS	/* traces have these numbers */
};

/* What translated code reads and writes by itself; one element of the scoreboard. */
struct score {
	uint64_t page;		/* page that the instruction stream is in, or NO_PAGE */
	uint64_t insns_kernel;
	uint64_t insns_user;
	uint64_t watch[MAX_WATCH];
};

_Static_assert(sizeof(struct score) == 1024,
	       "translated code finds its element with a shift, not a multiplication");

/* Everything that is counted, so that a window is the difference of two. */
struct tally {
	struct counts model;
	struct counts data;
	uint64_t flushes[FLUSH_KINDS];
	struct score score;
};

/* One CPU. */
struct core {
	struct hierarchy tlb;
	struct asid_state asid;
	uint64_t flushes[FLUSH_KINDS];
	uint64_t data_page[2];	/* of the last load or store, of the last store */
	struct tally opened;	/* at the opening of the current window */
	struct tally windows[MAX_WINDOWS];
	struct sites sites[MAX_WINDOWS];
	bool present;
};

/* What a user chooses beside the profile. */
struct policy {
	enum asid_policy pcid;
	bool host_4k;		/* the host maps guest memory by 4 kB pages */
	bool hits;		/* sites count first-level hits too */
	bool data_side;		/* loads and stores compete for a shared second level */
};

/* What the guest and QEMU were; a trace says it. */
struct origin {
	bool isolation;		/* the guest's kernel has page-table isolation on */
	bool data_side;		/* loads and stores were followed */
	int api;		/* of QEMU's plugins */
	char physical_reads[MAX_WAY_NAME];
};

struct machine {
	struct profile profile;
	struct policy policy;
	bool data_followed;	/* asked for, and of effect in this profile */
	bool coalesces;		/* the profile has entries of 16 kB */
	struct origin origin;
	struct core cores[MAX_VCPUS];
	uint64_t watch[MAX_WATCH];
	uint8_t watch_slots[WATCH_SLOTS];	/* hash table of places in watch, from 1; 0: free */
	unsigned int watches;
	unsigned int armed;	/* the first so many watches count every execution */
	unsigned int window;	/* the one that is open, 0: none */
	unsigned int window_armed[MAX_WINDOWS];	/* armed when it was first opened */
	bool seen[MAX_WINDOWS];
	struct snapshot *snapshots[MAX_SNAPSHOT];	/* in the order they were taken */
	unsigned int snapshot_count;
	unsigned int marker_errors;	/* opened twice, closed unopened, out of range */
	unsigned int register_errors;	/* the two ways to read one did not agree */
	unsigned int vcpu_errors;	/* what a vCPU did was told of another */
};

/*
 * Loads the profile and fits policy and profile to each other. False with one line in
 * @error.
 */
bool machine_profile(struct machine *m, const char *path, char *error, size_t error_size);

bool machine_add_core(struct machine *m, unsigned int core);	/* false: memory is short */
void machine_free(struct machine *m);

/* What the policy makes of a translation as the page tables have it. */
void machine_translation(const struct machine *m, struct translation *t);

/*
 * One fetch. In the kernel's half misses are attributed to the exact address, in the
 * user's half to its page. False when memory is short.
 */
bool machine_fetch(struct machine *m, unsigned int core, uint64_t address, walk_fn walk,
		   void *context);
/*
 * One load or store; ignored unless it is followed. It is looked up where it is in another
 * page than the one before it (than the last store, where the profile has a buffer for
 * stores of their own).
 */
void machine_data(struct machine *m, unsigned int core, uint64_t address, bool store,
		  walk_fn walk, void *context);

/* The context and its generation that the guest's kernel has for this CPU now. */
void machine_context(struct machine *m, unsigned int core, uint64_t id, uint64_t generation);
void machine_cr3(struct machine *m, unsigned int core, uint64_t value);
/* FLUSH_CR0, FLUSH_CR4, FLUSH_INVPCID; FLUSH_INVLPG of an unknown address: all is flushed. */
void machine_flush(struct machine *m, unsigned int core, enum flush_kind kind);
void machine_invlpg(struct machine *m, unsigned int core, uint64_t address);

/* @scores: of all CPUs, MAX_VCPUS of them, as they are now. */
void machine_open(struct machine *m, uint64_t window, const struct score *scores);
void machine_close(struct machine *m, uint64_t window, const struct score *scores);
/* Counts executions of the instruction at @address; each once. */
void machine_watch(struct machine *m, uint64_t address);
int machine_watched(const struct machine *m, uint64_t address);	/* its place, -1: it is not */
/* From here on every watch so far counts each execution, also in code that has run before. */
void machine_arm(struct machine *m);

/*
 * An empty snapshot with the counts of now; NULL when memory is short, or with *ok false when
 * @id is none or was taken, which is a marker error. It is the machine's once it is kept.
 */
struct snapshot *machine_snapshot(struct machine *m, uint64_t id, const struct score *scores,
				  bool *ok);
void machine_keep(struct machine *m, struct snapshot *s);

/* What a CPU has counted so far. */
void tally_now(const struct core *core, const struct score *score, struct tally *out);

/* NULL, with a line on standard error, where @path cannot be written. */
FILE *report_open(const char *path);
/*
 * Writes the JSON report, complete or nothing: then false, with a line on standard error that
 * names @path. Closes @f.
 */
bool report_write(FILE *f, const char *path, struct machine *m, const struct score *scores);

#endif
