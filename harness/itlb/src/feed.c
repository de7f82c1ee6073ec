// SPDX-License-Identifier: GPL-2.0-only
/* What the guest does, to the model and, where one is recorded, to the trace. */
#include <stdlib.h>

#include "plugin.h"

#define PAGE_MASK (~0xfffull)
#define KERNEL_HALF (1ull << 63)

enum { COMMAND_OPEN = 1, COMMAND_CLOSE, COMMAND_WATCH, COMMAND_SNAPSHOT, COMMAND_ARM,
       COMMAND_ADDRESS_SPACES };

static void drop_page(unsigned int index)
{
	plugin.vcpus[index].page = NO_PAGE;
	plugin.vcpus[index].data_page = NO_PAGE;
	score_of(index)->page = NO_PAGE;
}

void feed_core(unsigned int index)
{
	if (!machine_add_core(&plugin.machine, index)) {
		fprintf(stderr, "itlb: out of memory\n");
		exit(1);
	}
	if (plugin.trace)
		trace_core(plugin.trace, index);
	drop_page(index);
}

static bool walk_tables(void *context, uint64_t vaddr, struct translation *found)
{
	if (!page_walk(context, vaddr, found))
		return false;
	machine_translation(&plugin.machine, found);
	return true;
}

/* The translation that was just recorded. */
static bool walk_event(void *context, uint64_t vaddr, struct translation *found)
{
	const struct event *e = context;

	(void)vaddr;	/* the event has it */
	if (e->size == PAGE_SIZES)
		return false;
	*found = translation_of(e->size, e->global);
	machine_translation(&plugin.machine, found);
	return true;
}

static struct event record(unsigned int index, enum event_kind kind, uint64_t address)
{
	struct event event = { .value = address, .kind = kind, .size = PAGE_SIZES };
	struct translation t;

	if (page_walk(&plugin.vcpus[index], address, &t)) {
		event.size = t.size;
		event.global = t.global;
	}
	trace_event(plugin.trace, index, &event);
	return event;
}

static void look_up(unsigned int index, uint64_t address)
{
	struct machine *m = &plugin.machine;
	bool ok;

	smp_lock(index);
	if (plugin.trace) {
		struct event event = record(index, EVENT_FETCH,
					    address & KERNEL_HALF ? address : address & PAGE_MASK);

		ok = machine_fetch(m, index, event.value, walk_event, &event);
	} else {
		ok = machine_fetch(m, index, address, walk_tables, &plugin.vcpus[index]);
	}
	smp_unlock(index);
	if (!ok)
		abort();	/* out of memory: no report is better than a wrong one */
}

void feed_page(unsigned int index, uint64_t address)
{
	struct vcpu *vcpu = &plugin.vcpus[index];

	score_of(index)->page = address & PAGE_MASK;
	if (vcpu->page == (address & PAGE_MASK))
		return;		/* only the shortcut was gone */
	vcpu->page = address & PAGE_MASK;
	look_up(index, address);
}

void feed_data(unsigned int index, uint64_t address, bool store)
{
	struct machine *m = &plugin.machine;
	struct vcpu *vcpu = &plugin.vcpus[index];
	uint64_t page = address & PAGE_MASK;

	if (vcpu->data_page == (page | store))
		return;
	vcpu->data_page = page | store;
	smp_lock(index);
	if (plugin.trace) {
		struct event event = record(index, store ? EVENT_STORE : EVENT_LOAD, page);

		machine_data(m, index, page, store, walk_event, &event);
	} else {
		machine_data(m, index, page, store, walk_tables, vcpu);
	}
	smp_unlock(index);
}

static void record_value(unsigned int index, enum event_kind kind, uint64_t value)
{
	struct event event = { .value = value, .kind = kind };

	if (plugin.trace)
		trace_event(plugin.trace, index, &event);
}

void feed_context(unsigned int index, uint64_t id, uint64_t generation)
{
	struct vcpu *vcpu = &plugin.vcpus[index];
	uint64_t context = id << 32 | generation;

	if ((id | generation) > UINT32_MAX)
		plugin.machine.register_errors++;	/* not what it was taken for */
	if (vcpu->context == context)
		return;
	vcpu->context = context;
	record_value(index, EVENT_CONTEXT, context);
	smp_lock(index);
	machine_context(&plugin.machine, index, id, generation);
	smp_unlock(index);
}

void feed_cr3(unsigned int index, uint64_t value)
{
	if (address_spaces_known())
		address_spaces_cr3(index, value);
	record_value(index, EVENT_CR3, value);
	smp_lock(index);
	machine_cr3(&plugin.machine, index, value);
	smp_unlock(index);
	drop_page(index);
}

void feed_flush(unsigned int index, enum flush_kind kind)
{
	record_value(index, EVENT_FLUSH, kind);
	smp_lock(index);
	machine_flush(&plugin.machine, index, kind);
	smp_unlock(index);
	drop_page(index);
}

void feed_invlpg(unsigned int index, uint64_t address)
{
	record_value(index, EVENT_INVLPG, address);
	smp_lock(index);
	machine_invlpg(&plugin.machine, index, address);
	smp_unlock(index);
	drop_page(index);
}

static void marker_error(void)
{
	if (plugin.trace)
		trace_marker_error(plugin.trace);
	plugin.machine.marker_errors++;
}

static void take_snapshot(unsigned int index, uint64_t id)
{
	struct machine *m = &plugin.machine;
	struct score scores[MAX_VCPUS];
	struct snapshot *s;
	bool ok;

	scores_now(scores);
	s = machine_snapshot(m, id, scores, &ok);
	if (!s) {
		if (ok)
			abort();	/* out of memory */
		if (plugin.trace)
			trace_marker_error(plugin.trace);
		return;
	}
	page_tables(&plugin.vcpus[index], s);
	if (plugin.trace)
		trace_snapshot(plugin.trace, s, m, scores);
	machine_keep(m, s);
}

void feed_armed(void)
{
	if (plugin.trace)
		trace_arm(plugin.trace);
	machine_arm(&plugin.machine);
}

static void obey(unsigned int index, uint64_t command, uint64_t argument)
{
	struct machine *m = &plugin.machine;
	struct score scores[MAX_VCPUS];

	switch (command) {
	case COMMAND_OPEN:
	case COMMAND_CLOSE:
		scores_now(scores);
		if (plugin.trace)
			trace_window(plugin.trace, command == COMMAND_OPEN ? MARK_OPEN : MARK_CLOSE,
				     argument, m, scores);
		(command == COMMAND_OPEN ? machine_open : machine_close)(m, argument, scores);
		break;
	case COMMAND_WATCH:
		if (plugin.trace)
			trace_watch(plugin.trace, argument);
		machine_watch(m, argument);
		break;
	case COMMAND_SNAPSHOT:
		take_snapshot(index, argument);
		break;
	case COMMAND_ARM:
		if (m->armed != m->watches || address_spaces_known())
			translate_anew();
		break;
	case COMMAND_ADDRESS_SPACES:
		if (!address_spaces_begin(index, argument))
			marker_error();
		break;
	default:
		marker_error();
	}
}

void feed_marker(unsigned int index, uint64_t command, uint64_t argument)
{
	unsigned int i;

	for (i = 0; i < MAX_VCPUS; i++)
		smp_lock(i);
	obey(index, command, argument);
	for (i = 0; i < MAX_VCPUS; i++)
		smp_unlock(i);
}

bool feed_end(void)
{
	struct score scores[MAX_VCPUS];
	bool ok = true;

	scores_now(scores);
	if (plugin.trace)
		ok = trace_end(plugin.trace, &plugin.machine, scores);
	plugin.trace = NULL;
	/* A report beside a trace that failed would pass for a recorded trial. */
	return ok && report_write(plugin.report, plugin.paths.out, &plugin.machine, scores);
}
