# SPDX-License-Identifier: GPL-2.0-only
"""TLB shootdowns and the direct map. Data only."""

from harness.analysis.made import fact
from harness.analysis.metric import Kind, Metric, Section

DIRECT_MAP: tuple[Metric, ...] = (
    fact(
        "tlb.shootdown_ipi",
        "shootdown interrupts",
        "event",
        Section.SHOOTDOWN,
        "the TLB row of /proc/interrupts",
        kind=Kind.COUNT,
        better="lower",
    ),
    fact(
        "tlb.remote_flush",
        "remote flushes sent",
        "event",
        Section.SHOOTDOWN,
        "nr_tlb_remote_flush of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    fact(
        "tlb.remote_flush_received",
        "remote flushes received",
        "event",
        Section.SHOOTDOWN,
        "nr_tlb_remote_flush_received of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    fact(
        "tlb.flush",
        "flushes of user mappings",
        "event",
        Section.SHOOTDOWN,
        "event tlb:tlb_flush by `reason`, where the workload asks for the trace; flushes of kernel "
        "addresses are not of this event: see tlb.remote_flush",
        kind=Kind.COUNT,
        better="lower",
    ),
    fact(
        "tlb.local_flush_all",
        "local flushes, all entries",
        "event",
        Section.SHOOTDOWN,
        "nr_tlb_local_flush_all of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    fact(
        "tlb.local_flush_one",
        "local flushes, one entry",
        "event",
        Section.SHOOTDOWN,
        "nr_tlb_local_flush_one of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    fact(
        "direct_map.splits_2m",
        "2 MB entries split to 4 kB",
        "event",
        Section.DIRECT_MAP,
        "direct_map_level2_splits of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    fact(
        "direct_map.splits_1g",
        "1 GB entries split to 2 MB",
        "event",
        Section.DIRECT_MAP,
        "direct_map_level3_splits of /proc/vmstat",
        kind=Kind.COUNT,
        better="lower",
    ),
    fact(
        "direct_map.4k",
        "mapped by 4 kB entries",
        "kB",
        Section.DIRECT_MAP,
        "DirectMap4k of /proc/meminfo",
        better="lower",
    ),
    fact(
        "direct_map.2m",
        "mapped by 2 MB entries",
        "kB",
        Section.DIRECT_MAP,
        "DirectMap2M of /proc/meminfo",
    ),
    fact(
        "direct_map.1g",
        "mapped by 1 GB entries",
        "kB",
        Section.DIRECT_MAP,
        "DirectMap1G of /proc/meminfo",
    ),
)
