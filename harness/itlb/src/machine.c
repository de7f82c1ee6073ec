// SPDX-License-Identifier: GPL-2.0-only
#include "machine.h"

#include <string.h>

/* Where Linux maps its image on x86-64: Documentation/x86/x86_64/mm.rst of the kernel. */
#define KERNEL_HALF (1ull << 63)
#define PAGE_MASK (~0xfffull)

/* Every field of struct tally is a uint64_t counter, so that two can be subtracted. */
#define FIELDS (sizeof(struct tally) / sizeof(uint64_t))

bool machine_profile(struct machine *m, const char *path, char *error, size_t error_size)
{
	if (!profile_load(path, &m->profile, error, error_size))
		return false;
	m->data_followed = m->policy.data_side && profile_data_competes(&m->profile);
	m->coalesces = profile_holds(&m->profile, PAGE_16K);
	return true;
}

/* After a flush the page before is looked up again. */
static void drop_pages(struct core *core)
{
	core->data_page[0] = core->data_page[1] = NO_PAGE;
}

bool machine_add_core(struct machine *m, unsigned int index)
{
	struct core *core = &m->cores[index];

	if (!hierarchy_init(&core->tlb, &m->profile))
		return false;
	asid_init(&core->asid, m->policy.pcid, m->origin.isolation);
	drop_pages(core);
	core->present = true;
	return true;
}

void machine_free(struct machine *m)
{
	unsigned int i, w;

	for (i = 0; i < MAX_VCPUS; i++) {
		hierarchy_free(&m->cores[i].tlb);
		for (w = 0; w < MAX_WINDOWS; w++)
			sites_free(&m->cores[i].sites[w]);
	}
	for (i = 0; i < m->snapshot_count; i++)
		snapshot_free(m->snapshots[i]);
}

void machine_translation(const struct machine *m, struct translation *t)
{
	/* An entry is as large as the smaller of the guest's page and the host's. */
	if (m->policy.host_4k || (t->size == PAGE_16K && !m->coalesces))
		t->size = PAGE_4K;
}

static bool count_site(struct sites *sites, uint64_t address, enum outcome outcome,
		       const struct translation *t)
{
	struct site *site = sites_get(sites, address, t->size, t->global);

	if (!site)
		return false;
	if (outcome == OUT_L1_HIT)
		site->l1_hits++;
	else if (outcome == OUT_STLB_HIT)
		site->stlb_hits++;
	else
		site->walks++;
	return true;
}

bool machine_fetch(struct machine *m, unsigned int index, uint64_t address, walk_fn walk,
		   void *context)
{
	struct core *core = &m->cores[index];
	struct translation t = { 0 };
	enum outcome outcome;

	outcome = hierarchy_fetch(&core->tlb, address, core->asid.tag, walk, context, &t);
	if (outcome == OUT_NOT_MAPPED || (outcome == OUT_L1_HIT && !m->policy.hits))
		return true;
	if (!(address & KERNEL_HALF))
		address &= PAGE_MASK;
	return count_site(&core->sites[0], address, outcome, &t) &&
	       (!m->window || count_site(&core->sites[m->window], address, outcome, &t));
}

void machine_data(struct machine *m, unsigned int index, uint64_t address, bool store,
		  walk_fn walk, void *context)
{
	struct core *core = &m->cores[index];
	bool apart = core->tlb.tlbs[STORE].sets;
	uint64_t *page = &core->data_page[store && apart];
	struct translation t;

	if (!m->data_followed || *page == (address & PAGE_MASK))
		return;
	*page = address & PAGE_MASK;
	hierarchy_data(&core->tlb, address, core->asid.tag, store, walk, context, &t);
}

static void flush_slot(struct core *core)
{
	hierarchy_flush_tag(&core->tlb, asid_flush_slot(&core->asid));
}

void machine_context(struct machine *m, unsigned int index, uint64_t id, uint64_t generation)
{
	struct core *core = &m->cores[index];

	if (m->policy.pcid == ASID_FLUSH || !asid_context(&core->asid, id, generation))
		return;
	hierarchy_flush_nonglobal(&core->tlb);
	hierarchy_select_tag(&core->tlb, core->asid.tag);
	drop_pages(core);
}

void machine_cr3(struct machine *m, unsigned int index, uint64_t value)
{
	struct core *core = &m->cores[index];

	drop_pages(core);
	switch (asid_write_cr3(&core->asid, value)) {
	case ASID_SWITCHED:
		core->flushes[FLUSH_CR3_SWITCH]++;
		break;
	case ASID_SLOT_REUSED:
		core->flushes[FLUSH_CR3_SLOT]++;
		flush_slot(core);
		break;
	case ASID_SLOT_BEHIND:
		core->flushes[FLUSH_CR3_BEHIND]++;
		flush_slot(core);
		break;
	case ASID_REWRITTEN:
		core->flushes[FLUSH_CR3_SAME]++;
		flush_slot(core);
		break;
	case ASID_FLUSH_NONGLOBAL:
		core->flushes[FLUSH_CR3]++;
		hierarchy_flush_nonglobal(&core->tlb);
		break;
	}
	if (asid_user_flush(&core->asid))
		hierarchy_flush_tag(&core->tlb, core->asid.tag);
	hierarchy_select_tag(&core->tlb, core->asid.tag);
}

void machine_flush(struct machine *m, unsigned int index, enum flush_kind kind)
{
	struct core *core = &m->cores[index];

	core->flushes[kind]++;
	hierarchy_flush_all(&core->tlb);
	drop_pages(core);
}

void machine_invlpg(struct machine *m, unsigned int index, uint64_t address)
{
	struct core *core = &m->cores[index];

	core->flushes[FLUSH_INVLPG]++;
	asid_flush_page(&core->asid, address);
	hierarchy_flush_page(&core->tlb, address, asid_kernel_tag(core->asid.slot));
	hierarchy_flush_page(&core->tlb, address, asid_user_tag(core->asid.slot));
	drop_pages(core);
}

/* Where the place of @address stands, or is to stand. */
static unsigned int watch_slot(const struct machine *m, uint64_t address)
{
	unsigned int i = (address * 0x9e3779b97f4a7c15ull >> 32) % WATCH_SLOTS;

	while (m->watch_slots[i] && m->watch[m->watch_slots[i] - 1] != address)
		i = (i + 1) % WATCH_SLOTS;
	return i;
}

int machine_watched(const struct machine *m, uint64_t address)
{
	return m->watch_slots[watch_slot(m, address)] - 1;
}

void machine_watch(struct machine *m, uint64_t address)
{
	unsigned int slot = watch_slot(m, address);

	if (m->watch_slots[slot])
		return;
	if (m->watches == MAX_WATCH) {
		m->marker_errors++;
		return;
	}
	m->watch[m->watches++] = address;
	m->watch_slots[slot] = m->watches;
}

void machine_arm(struct machine *m)
{
	m->armed = m->watches;
}

struct snapshot *machine_snapshot(struct machine *m, uint64_t id, const struct score *scores,
				  bool *ok)
{
	struct snapshot *s;
	unsigned int i, w;

	*ok = id && id <= MAX_SNAPSHOT;
	for (i = 0; i < m->snapshot_count; i++)
		if (m->snapshots[i]->id == id)
			*ok = false;
	if (!*ok) {
		m->marker_errors++;
		return NULL;
	}
	s = snapshot_new(id, m->watches);
	if (!s)
		return NULL;
	s->exact = m->armed == m->watches;
	for (w = 0; w < m->watches; w++)
		for (i = 0; i < MAX_VCPUS; i++)
			if (m->cores[i].present)
				s->watch[w] += scores[i].watch[w];
	return s;
}

void machine_keep(struct machine *m, struct snapshot *s)
{
	m->snapshots[m->snapshot_count++] = s;
}

void tally_now(const struct core *core, const struct score *score, struct tally *out)
{
	out->model = core->tlb.counts;
	out->data = core->tlb.data;
	memcpy(out->flushes, core->flushes, sizeof(out->flushes));
	out->score = *score;
	out->score.page = 0;
}

static void tally_add(struct tally *sum, const struct tally *from, const struct tally *to)
{
	uint64_t *s = (uint64_t *)sum;
	const uint64_t *f = (const uint64_t *)from, *t = (const uint64_t *)to;
	size_t i;

	for (i = 0; i < FIELDS; i++)
		s[i] += t[i] - f[i];
}

void machine_open(struct machine *m, uint64_t id, const struct score *scores)
{
	unsigned int i;

	if (!id || id >= MAX_WINDOWS || m->window) {
		m->marker_errors++;
		return;
	}
	for (i = 0; i < MAX_VCPUS; i++)
		if (m->cores[i].present)
			tally_now(&m->cores[i], &scores[i], &m->cores[i].opened);
	if (!m->seen[id])	/* else it goes on with what was counted before */
		m->window_armed[id] = m->armed;
	m->seen[id] = true;
	m->window = id;
}

void machine_close(struct machine *m, uint64_t id, const struct score *scores)
{
	struct tally now;
	unsigned int i;

	if (!id || m->window != id) {
		m->marker_errors++;
		return;
	}
	m->window = 0;
	for (i = 0; i < MAX_VCPUS; i++) {
		struct core *core = &m->cores[i];

		if (!core->present)
			continue;
		tally_now(core, &scores[i], &now);
		tally_add(&core->windows[id], &core->opened, &now);
	}
}
