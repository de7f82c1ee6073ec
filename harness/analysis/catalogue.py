# SPDX-License-Identifier: GPL-2.0-only
"""What the readings mean: titles, units, and how they may be compared.

A reading that is not listed is compared as well, as a level, under its own name.
``results/README.md`` documents every entry; a unit test holds that it does.
"""

from dataclasses import dataclass
from enum import StrEnum

from harness.model import Source


class Section(StrEnum):
    """Where a reading stands in a table; the order is the order of the sections."""

    ITLB = "iTLB"
    TEXT = "BPF text and its mappings"
    SHOOTDOWN = "TLB shootdowns"
    DIRECT_MAP = "direct map"
    MEMORY = "memory"
    LOAD = "loading"
    WORK = "work done"
    OTHER = "other readings"


class Kind(StrEnum):
    """How a value behaves."""

    COUNT = "count"  # events in a window: also per second and per operation
    LEVEL = "level"  # a state at a moment, or a figure that is a rate already


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One reading name."""

    name: str
    title: str  # a few words for tables
    unit: str
    section: Section
    kind: Kind
    better: str = ""  # "lower" | "higher" | "": neither by itself
    main: bool = False  # among the first lines of a table, and in its sentence
    meaning: str = ""
    sources: tuple[Source, ...] = (Source.KERNEL,)  # that report it


MODEL = (Source.MODEL,)
BOTH = (Source.MODEL, Source.PERF)


def _itlb(
    name: str,
    title: str,
    meaning: str,
    *,
    main: bool = False,
    better: str = "",
    sources: tuple[Source, ...] = MODEL,
) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="event",
        section=Section.ITLB,
        kind=Kind.COUNT,
        better=better,
        main=main,
        meaning=meaning,
        sources=sources,
    )


def _fact(
    name: str,
    title: str,
    unit: str,
    section: Section,
    meaning: str,
    *,
    kind: Kind = Kind.LEVEL,
    better: str = "",
    sources: tuple[Source, ...] = (Source.KERNEL,),
) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit=unit,
        section=section,
        kind=kind,
        better=better,
        meaning=meaning,
        sources=sources,
    )


METRICS: tuple[Metric, ...] = (
    _itlb(
        "itlb.walk_completed_4k",
        "4 kB walks",
        "instruction fetches that missed both TLB levels and found a 4 kB page",
        main=True,
        better="lower",
        sources=BOTH,
    ),
    _itlb(
        "itlb.walk_completed_2m_4m",
        "2 MB walks",
        "the same, where the walk found a 2 MB page",
        main=True,
        better="lower",
        sources=BOTH,
    ),
    _itlb(
        "itlb.stlb_hit",
        "STLB hits",
        "fetches that missed the first-level iTLB and hit the second level",
        main=True,
        better="lower",
        sources=BOTH,
    ),
    _itlb(
        "itlb.walk_completed_1g", "1 GB walks", "the same, 1 GB pages", better="lower", sources=BOTH
    ),
    _itlb(
        "itlb.walks",
        "walks, all sizes",
        "completed walks of every page size",
        better="lower",
        sources=BOTH,
    ),
    _itlb(
        "iTLB-load-misses",
        "iTLB-load-misses",
        "perf's generic event: walks or misses, by part",
        better="lower",
        sources=(Source.PERF,),
    ),
    _itlb("itlb.lookups", "iTLB lookups", "page accesses that the model looked up"),
    _itlb("itlb.l1_hit", "first-level hits", "lookups that hit the first-level iTLB"),
    _fact(
        "bpf.text.programs",
        "BPF programs",
        "program",
        Section.TEXT,
        "loaded programs with JITed text",
    ),
    _fact(
        "bpf.text.pages_4k",
        "4 kB pages covering BPF text",
        "page",
        Section.TEXT,
        "4 kB page-table entries that map BPF text",
        better="lower",
    ),
    _fact(
        "bpf.text.pages_2m",
        "2 MB pages covering BPF text",
        "page",
        Section.TEXT,
        "2 MB page-table entries that map BPF text",
    ),
    _fact(
        "bpf.text.pages_1g",
        "1 GB pages covering BPF text",
        "page",
        Section.TEXT,
        "1 GB page-table entries that map BPF text",
    ),
    _fact(
        "wx.mappings",
        "W+X mappings",
        "mapping",
        Section.TEXT,
        "kernel mappings both writable and executable: must be none",
        better="lower",
    ),
    _fact(
        "tlb.shootdown_ipi",
        "shootdown interrupts",
        "event",
        Section.SHOOTDOWN,
        "the TLB row of /proc/interrupts",
        kind=Kind.COUNT,
        better="lower",
    ),
    _fact(
        "tlb.remote_flush",
        "remote flushes sent",
        "event",
        Section.SHOOTDOWN,
        "nr_tlb_remote_flush of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    _fact(
        "tlb.remote_flush_received",
        "remote flushes received",
        "event",
        Section.SHOOTDOWN,
        "nr_tlb_remote_flush_received of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    _fact(
        "tlb.local_flush_all",
        "local flushes, all entries",
        "event",
        Section.SHOOTDOWN,
        "nr_tlb_local_flush_all of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    _fact(
        "tlb.local_flush_one",
        "local flushes, one entry",
        "event",
        Section.SHOOTDOWN,
        "nr_tlb_local_flush_one of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    _fact(
        "direct_map.splits_2m",
        "2 MB entries split to 4 kB",
        "split",
        Section.DIRECT_MAP,
        "direct_map_level2_splits of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    _fact(
        "direct_map.splits_1g",
        "1 GB entries split to 2 MB",
        "split",
        Section.DIRECT_MAP,
        "direct_map_level3_splits of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    _fact(
        "direct_map.4k",
        "mapped by 4 kB entries",
        "kB",
        Section.DIRECT_MAP,
        "DirectMap4k of /proc/meminfo",
        better="lower",
    ),
    _fact(
        "direct_map.2m",
        "mapped by 2 MB entries",
        "kB",
        Section.DIRECT_MAP,
        "DirectMap2M of /proc/meminfo",
    ),
    _fact(
        "direct_map.1g",
        "mapped by 1 GB entries",
        "kB",
        Section.DIRECT_MAP,
        "DirectMap1G of /proc/meminfo",
    ),
    _fact(
        "bpf.text.jited_bytes",
        "JITed bytes",
        "byte",
        Section.MEMORY,
        "machine code of all loaded programs",
    ),
    _fact(
        "bpf.text.mapped_bytes",
        "bytes mapped for BPF text",
        "byte",
        Section.MEMORY,
        "bytes of the page-table entries that map BPF text",
        better="lower",
    ),
    _fact(
        "bench.hits",
        "bench hits, mean of instances",
        "10^6/s",
        Section.WORK,
        "calls per second as `bench` itself printed them, by instance: each instance's program "
        "runs on every call, so each of them counts all calls",
        better="higher",
        sources=(Source.WORKLOAD,),
    ),
    _fact(
        "ops",
        "operations",
        "operation",
        Section.WORK,
        "the workload's operations in the window, counted exactly",
        kind=Kind.COUNT,
        better="higher",
        sources=MODEL,
    ),
    _fact(
        "insn.kernel",
        "kernel instructions",
        "instruction",
        Section.WORK,
        "instructions retired in the kernel",
        kind=Kind.COUNT,
        sources=MODEL,
    ),
    _fact(
        "insn.user",
        "user instructions",
        "instruction",
        Section.WORK,
        "instructions retired in user mode",
        kind=Kind.COUNT,
        sources=MODEL,
    ),
    _fact(
        "window.seconds",
        "length of the window",
        "s",
        Section.WORK,
        "the guest's own (virtual) time",
        sources=(Source.MODEL, Source.PERF, Source.KERNEL),
    ),
)

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
ORDER: dict[str, int] = {metric.name: at for at, metric in enumerate(METRICS)}

SECONDS = "window.seconds"
OPERATIONS = "ops"

ORIGIN_GROUPS: dict[str, tuple[str, ...]] = {
    "bpf": ("bpf_prog", "bpf_trampoline", "bpf_dispatcher"),
    "rest": ("module", "ftrace_trampoline", "kprobe", "other"),
}
"""Sums of origins made for tables, beside the origins as read."""

INSTANCE_MEANS = frozenset({"bench.hits"})
"""Readings by instance whose mean is made for tables, beside the instances as read."""

ORIGIN_TITLES: dict[str, str] = {
    "all": "all text",
    "bpf": "BPF text",
    "kernel_image": "kernel image",
    "user": "user text",
    "rest": "other text",
}
"""Origins that tables show, in order."""


def metric(name: str, unit: str) -> Metric:
    """The entry for ``name``; one made up as a level in ``unit`` when it is not listed."""
    known = BY_NAME.get(name)
    if known is not None:
        return known
    return Metric(name=name, title=name, unit=unit, section=Section.OTHER, kind=Kind.LEVEL)
