# SPDX-License-Identifier: GPL-2.0-only
"""The readings that are known by name: titles, units, and how they may be compared.

A reading that is not listed is compared as well, as a level, under its own name.
``results/README.md`` documents every entry; a unit test holds that it does.
"""

from harness.analysis.metric import Kind, Metric, Section
from harness.model import Source

MODEL = (Source.MODEL,)
BOTH = (Source.MODEL, Source.PERF)


def _itlb(
    name: str,
    title: str,
    meaning: str,
    *,
    detail: bool = False,
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
        detail=detail,
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
    detail: bool = False,
    sources: tuple[Source, ...] = (Source.KERNEL,),
) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit=unit,
        section=section,
        kind=kind,
        better=better,
        detail=detail,
        meaning=meaning,
        sources=sources,
    )


METRICS: tuple[Metric, ...] = (
    _itlb(
        "itlb.walk_completed_4k",
        "4 kB walks",
        "instruction fetches that missed both TLB levels and found a 4 kB page",
        better="lower",
        sources=BOTH,
    ),
    _itlb(
        "itlb.walk_completed_2m_4m",
        "2 MB walks",
        "the same, where the walk found a 2 MB page",
        better="lower",
        sources=BOTH,
    ),
    _itlb(
        "itlb.stlb_hit",
        "STLB hits",
        "fetches that missed the first-level iTLB and hit the second level",
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
        detail=True,
        sources=BOTH,
    ),
    _itlb(
        "iTLB-load-misses",
        "iTLB-load-misses",
        "perf's generic event: walks or misses, by part",
        better="lower",
        sources=(Source.PERF,),
    ),
    _itlb("itlb.lookups", "iTLB lookups", "page accesses that the model looked up", detail=True),
    _itlb("itlb.l1_hit", "first-level hits", "lookups that hit the first-level iTLB", detail=True),
    _itlb(
        "itlb.not_mapped",
        "fetches that found no page",
        "walks that ended without a page: a page fault follows",
        detail=True,
    ),
    _itlb(
        "itlb.flush.cr3_switch",
        "CR3 writes, tag kept",
        "writes of CR3 to an address space whose entries are still there: nothing is flushed",
        detail=True,
    ),
    _itlb(
        "itlb.flush.cr3_slot",
        "CR3 writes, tag recycled",
        "writes of CR3 that take the tag of another address space, whose entries are flushed",
        detail=True,
    ),
    _itlb(
        "itlb.flush.cr3_same",
        "CR3 writes, same value",
        "rewrites of CR3, which flush its own tag",
        detail=True,
    ),
    _itlb(
        "itlb.flush.cr3_flush",
        "CR3 writes, no tags",
        "writes of CR3 under the policy without tags: all entries that are not global go",
        detail=True,
    ),
    _itlb(
        "itlb.flush.cr0", "flushes by CR0", "changes of paging, which flush everything", detail=True
    ),
    _itlb("itlb.flush.cr4", "flushes by CR4", "changes of CR4 that flush everything", detail=True),
    _itlb("itlb.flush.invlpg", "INVLPG", "flushes of one page", detail=True),
    _itlb("itlb.flush.invpcid", "INVPCID", "flushes by tag", detail=True),
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
        "bpf.text.in_kernel_image",
        "programs in the kernel image's last page",
        "program",
        Section.TEXT,
        "programs whose text starts inside the kernel image's own mapping",
    ),
    _fact(
        "bpf.text.not_executable",
        "programs not wholly executable",
        "program",
        Section.TEXT,
        "programs with a byte that no executable page maps: must be none",
        better="lower",
    ),
    _fact(
        "bpf.trampoline.pages_4k",
        "4 kB pages, BPF trampolines",
        "page",
        Section.TEXT,
        "4 kB page-table entries that map the first byte of BPF trampolines",
        detail=True,
    ),
    _fact(
        "bpf.trampoline.pages_2m",
        "2 MB pages, BPF trampolines",
        "page",
        Section.TEXT,
        "2 MB page-table entries that map the first byte of BPF trampolines",
        detail=True,
    ),
    _fact(
        "bpf.dispatcher.pages_4k",
        "4 kB pages, BPF dispatchers",
        "page",
        Section.TEXT,
        "4 kB page-table entries that map the first byte of BPF dispatchers",
        detail=True,
    ),
    _fact(
        "bpf.dispatcher.pages_2m",
        "2 MB pages, BPF dispatchers",
        "page",
        Section.TEXT,
        "2 MB page-table entries that map the first byte of BPF dispatchers",
        detail=True,
    ),
    _fact(
        "ftrace.trampoline.pages_4k",
        "4 kB pages, ftrace trampolines",
        "page",
        Section.TEXT,
        "4 kB page-table entries that map the first byte of ftrace trampolines",
        detail=True,
    ),
    _fact(
        "ftrace.trampoline.pages_2m",
        "2 MB pages, ftrace trampolines",
        "page",
        Section.TEXT,
        "2 MB page-table entries that map the first byte of ftrace trampolines",
        detail=True,
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
        "event",
        Section.DIRECT_MAP,
        "direct_map_level2_splits of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    _fact(
        "direct_map.splits_1g",
        "1 GB entries split to 2 MB",
        "event",
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
        "B",
        Section.MEMORY,
        "machine code of all loaded programs",
    ),
    _fact(
        "bpf.text.mapped_bytes",
        "bytes mapped for BPF text",
        "B",
        Section.MEMORY,
        "bytes of the page-table entries that map BPF text",
        better="lower",
    ),
    _fact(
        "memory.page_tables",
        "page tables of processes",
        "kB",
        Section.MEMORY,
        "PageTables of /proc/meminfo",
        better="lower",
    ),
    _fact("memory.slab", "slab", "kB", Section.MEMORY, "Slab of /proc/meminfo", better="lower"),
    _fact(
        "memory.vmalloc_used",
        "vmalloc space used",
        "kB",
        Section.MEMORY,
        "VmallocUsed of /proc/meminfo",
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
    _fact(
        "trial.wall_seconds",
        "wall time of the trial",
        "s",
        Section.WORK,
        "on the host, boot included; says nothing about the kernels in exact mode",
        detail=True,
        sources=(Source.HOST,),
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
