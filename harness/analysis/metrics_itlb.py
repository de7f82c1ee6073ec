# SPDX-License-Identifier: GPL-2.0-only
"""What the instruction TLB did. Data only."""

from harness.analysis.made import BOTH, itlb
from harness.analysis.metric import Metric
from harness.model import Source

ITLB: tuple[Metric, ...] = (
    itlb(
        "itlb.walk_completed_4k",
        "4 kB walks",
        "instruction fetches that missed both TLB levels and found a 4 kB page",
        better="lower",
        sources=BOTH,
    ),
    itlb(
        "itlb.walk_completed_2m_4m",
        "2 MB walks",
        "the same, where the walk found a 2 MB page",
        better="lower",
        sources=BOTH,
    ),
    itlb(
        "itlb.stlb_hit",
        "STLB hits",
        "fetches that missed the first-level iTLB and hit the second level",
        better="lower",
        sources=BOTH,
    ),
    itlb(
        "itlb.walk_completed_1g", "1 GB walks", "the same, 1 GB pages", better="lower", sources=BOTH
    ),
    itlb(
        "itlb.walks",
        "walks, all sizes",
        "completed walks of every page size",
        better="lower",
        detail=True,
        sources=BOTH,
    ),
    itlb(
        "iTLB-load-misses",
        "iTLB-load-misses",
        "perf's generic event: walks or misses, by part",
        better="lower",
        sources=(Source.PERF,),
    ),
    itlb("itlb.lookups", "iTLB lookups", "page accesses that the model looked up", detail=True),
    itlb("itlb.l1_hit", "first-level hits", "lookups that hit the first-level iTLB", detail=True),
    itlb(
        "itlb.not_mapped",
        "fetches that found no page",
        "walks that ended without a page: a page fault follows",
        detail=True,
    ),
    itlb(
        "itlb.flush.cr3_switch",
        "CR3 writes, tag kept",
        "writes of CR3 to an address space whose entries are still there: nothing is flushed",
        detail=True,
    ),
    itlb(
        "itlb.flush.cr3_slot",
        "CR3 writes, tag recycled",
        "writes of CR3 that take the tag of another address space, whose entries are flushed",
        detail=True,
    ),
    itlb(
        "itlb.flush.cr3_same",
        "CR3 writes, same value",
        "rewrites of CR3, which flush its own tag",
        detail=True,
    ),
    itlb(
        "itlb.flush.cr3_flush",
        "CR3 writes, no tags",
        "writes of CR3 under the policy without tags: all entries that are not global go",
        detail=True,
    ),
    itlb(
        "itlb.flush.cr0", "flushes by CR0", "changes of paging, which flush everything", detail=True
    ),
    itlb("itlb.flush.cr4", "flushes by CR4", "changes of CR4 that flush everything", detail=True),
    itlb("itlb.flush.invlpg", "INVLPG", "flushes of one page", detail=True),
    itlb("itlb.flush.invpcid", "INVPCID", "flushes by tag", detail=True),
)
