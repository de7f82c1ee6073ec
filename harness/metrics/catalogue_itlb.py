# SPDX-License-Identifier: GPL-2.0-only
"""What the instruction TLB did. Data only."""

from harness.metrics.entries import itlb_events
from harness.metrics.metric import Metric
from harness.metrics.readers import Flushes, MissesByOrigin, PerfEvent, WindowSum

ITLB: tuple[Metric, ...] = (
    itlb_events(
        "itlb.walk_completed_4k",
        "4 kB walks",
        "instruction fetches that missed both TLB levels and found a 4 kB page",
        MissesByOrigin(count="walks_4k"),
        PerfEvent(),
        better="lower",
    ),
    itlb_events(
        "itlb.walk_completed_coalesced_4k",
        "coalesced walks",
        "the same, where the walk found four adjacent 4 kB pages that one entry then holds (Zen)",
        MissesByOrigin(count="walks_16k"),
        PerfEvent(),
        better="lower",
    ),
    itlb_events(
        "itlb.walk_completed_2m_4m",
        "2 MB walks",
        "the same, where the walk found a 2 MB page",
        MissesByOrigin(count="walks_2m"),
        PerfEvent(),
        better="lower",
    ),
    itlb_events(
        "itlb.stlb_hit",
        "STLB hits",
        "fetches that missed the first-level iTLB and hit the second level",
        MissesByOrigin(count="stlb_hits"),
        PerfEvent(),
        better="lower",
    ),
    itlb_events(
        "itlb.walk_completed_1g",
        "1 GB walks",
        "the same, 1 GB pages",
        MissesByOrigin(count="walks_1g"),
        better="lower",
    ),
    itlb_events(
        "itlb.walks",
        "walks, all sizes",
        "completed walks of every page size",
        MissesByOrigin(count="walks"),
        better="lower",
        detail=True,
    ),
    itlb_events(
        "iTLB-load-misses",
        "iTLB-load-misses",
        "perf's generic event: walks or misses, by part",
        PerfEvent(),
        better="lower",
    ),
    itlb_events(
        "itlb.lookups",
        "iTLB lookups",
        "page accesses that the model looked up",
        WindowSum(count="lookups"),
        detail=True,
    ),
    itlb_events(
        "itlb.l1_hit",
        "first-level hits",
        "lookups that hit the first-level iTLB",
        WindowSum(count="l1_hits"),
        detail=True,
    ),
    itlb_events(
        "itlb.not_mapped",
        "fetches without a translation",
        "fetches that the page tables have no page for: paging is off, in firmware and early in "
        "the boot, or a page was taken away and its flush is still to come",
        WindowSum(count="walks_not_mapped"),
        detail=True,
    ),
    itlb_events(
        "itlb.flush.cr3_switch",
        "CR3 writes, tag kept",
        "writes of CR3 to an address space whose entries are still there: nothing is flushed",
        Flushes(kind="cr3_switch"),
        detail=True,
    ),
    itlb_events(
        "itlb.flush.cr3_slot",
        "CR3 writes, tag recycled",
        "writes of CR3 that take the tag of another address space, whose entries are flushed",
        Flushes(kind="cr3_slot"),
        detail=True,
    ),
    itlb_events(
        "itlb.flush.cr3_behind",
        "CR3 writes, tag behind",
        "writes of CR3 to an address space that asked for flushes since: its entries are flushed",
        Flushes(kind="cr3_behind"),
        detail=True,
    ),
    itlb_events(
        "itlb.flush.cr3_same",
        "CR3 writes, same value",
        "rewrites of CR3, which flush its own tag",
        Flushes(kind="cr3_same"),
        detail=True,
    ),
    itlb_events(
        "itlb.flush.cr3_flush",
        "CR3 writes, no tags",
        "writes of CR3 under the policy without tags: all entries that are not global go",
        Flushes(kind="cr3_flush"),
        detail=True,
    ),
    itlb_events(
        "itlb.flush.cr0",
        "flushes by CR0",
        "changes of paging, which flush everything",
        Flushes(kind="cr0"),
        detail=True,
    ),
    itlb_events(
        "itlb.flush.cr4",
        "flushes by CR4",
        "changes of CR4 that flush everything",
        Flushes(kind="cr4"),
        detail=True,
    ),
    itlb_events(
        "itlb.flush.invlpg",
        "INVLPG",
        "flushes of one page",
        Flushes(kind="invlpg"),
        detail=True,
    ),
    itlb_events(
        "itlb.flush.invpcid",
        "INVPCID",
        "flushes by tag",
        Flushes(kind="invpcid"),
        detail=True,
    ),
)
