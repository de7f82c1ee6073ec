# SPDX-License-Identifier: GPL-2.0-only
"""The counters and states that the kernel tells in files, as readings.

Counters become differences with the label ``phase``; states become values with the label
``at``. What cannot be read is not_supported with the file and the reason.
"""

from harness.counters.facts.files import EDGES, Files, Missing, Value, reading
from harness.counters.facts.memory import OWNER_NAMES, SLAB_GROUPS
from harness.counters.facts.trace import NEWER_REASON, REASONS
from harness.model import Reading

PHASES = {
    "load": ("baseline", "open"),
    "window": ("open", "close"),
    "unload": ("close", "end"),
    "trial": ("baseline", "end"),
}

# Reading name -> (file, name in the file). Counted since boot; differences between edges.
COUNTERS = {
    "tlb.remote_flush": ("proc/vmstat", "nr_tlb_remote_flush"),
    "tlb.remote_flush_received": ("proc/vmstat", "nr_tlb_remote_flush_received"),
    "tlb.local_flush_all": ("proc/vmstat", "nr_tlb_local_flush_all"),
    "tlb.local_flush_one": ("proc/vmstat", "nr_tlb_local_flush_one"),
    "direct_map.splits_2m": ("proc/vmstat", "direct_map_level2_splits"),
    "direct_map.splits_1g": ("proc/vmstat", "direct_map_level3_splits"),
    "tlb.shootdown_ipi": ("proc/interrupts", "TLB"),
}
# The same, of kernels that have them only (the direct map heals since Linux 6.15).
NEWER_COUNTERS = {
    "direct_map.collapses_2m": ("proc/vmstat", "direct_map_level2_collapses"),
    "direct_map.collapses_1g": ("proc/vmstat", "direct_map_level3_collapses"),
}
# States at an edge, all in kB.
LEVELS = {
    "direct_map.4k": ("proc/meminfo", "DirectMap4k"),
    "direct_map.2m": ("proc/meminfo", "DirectMap2M"),
    "direct_map.1g": ("proc/meminfo", "DirectMap1G"),
    "memory.slab": ("proc/meminfo", "Slab"),
    "memory.slab_reclaimable": ("proc/meminfo", "SReclaimable"),
    "memory.page_tables": ("proc/meminfo", "PageTables"),
    "memory.vmalloc_used": ("proc/meminfo", "VmallocUsed"),
}
# The direct map's counters since boot, kept beside the differences.
BASELINES = ("direct_map.splits_2m", "direct_map.splits_1g")

EXECMEM = "execmem/stats"
EXECMEM_UNITS = {
    "bytes_used": "B",
    "bytes_free": "B",
    "text_tail_bytes": "B",
    "large_pages": "page",
    "small_pages": "page",
    "small_page_fallbacks": "event",
}
TLB_FLUSH = "tracing/tlb_flush"


def difference(key: str, before: Value, after: Value) -> Value:
    """What a counter grew by; unknown where either is, and where it fell."""
    if isinstance(before, Missing):
        return before
    if isinstance(after, Missing):
        return after
    if after < before:
        return Missing(f"{key} fell from {before} to {after}: no counter")
    return after - before


def _by_phase(files: Files, name: str, file: str, key: str) -> list[Reading]:
    at = {edge: files.number(edge, file, key) for edge in EDGES}
    return [
        reading(name, difference(key, at[first], at[last]), "event", {"phase": phase})
        for phase, (first, last) in PHASES.items()
    ]


def of_kernel(files: Files) -> list[Reading]:
    """Counters by phase and states by edge."""
    out: list[Reading] = []
    for name, (file, key) in COUNTERS.items():
        out += _by_phase(files, name, file, key)
        if name in BASELINES:
            value = files.number("baseline", file, key)
            out.append(reading(name, value, "event", {"at": "baseline"}))
    for name, (file, key) in NEWER_COUNTERS.items():
        if not isinstance(files.number("baseline", file, key), Missing):
            out += _by_phase(files, name, file, key)
    for name, (file, key) in LEVELS.items():
        for edge in EDGES:
            out.append(reading(name, files.number(edge, file, key), "kB", {"at": edge}))
    return [*out, *_flushes(files), *_execmem(files), *_owners(files)]


def _flushes(files: Files) -> list[Reading]:
    """Flushes by reason where the guest traced them; nothing where it was not asked to."""
    if not any(files.sampled(edge, TLB_FLUSH) for edge in EDGES):
        return []
    out = []
    for reason in REASONS:
        tables = [files.table(edge, TLB_FLUSH) for edge in EDGES]
        if reason == NEWER_REASON and not any(isinstance(t, dict) and reason in t for t in tables):
            continue
        for found in _by_phase(files, "tlb.flush", TLB_FLUSH, reason):
            out.append(reading_with(found, reason=reason))
    return out


def reading_with(found: Reading, **labels: str) -> Reading:
    """``found`` with more labels."""
    return Reading(
        name=found.name,
        value=found.value,
        unit=found.unit,
        source=found.source,
        status=found.status,
        labels={**found.labels, **labels},
        reason=found.reason,
    )


def _owners(files: Files) -> list[Reading]:
    """vmalloc memory by owner, slab pages by group of caches."""
    out = []
    for name, file, label, groups in (
        ("memory.vmalloc", "proc/vmallocinfo", "owner", OWNER_NAMES),
        ("memory.slab_pages", "proc/slabinfo", "cache", SLAB_GROUPS),
    ):
        for edge in EDGES:
            for group in groups:
                value = files.number(edge, file, group)
                out.append(reading(name, value, "B", {"at": edge, label: group}))
    return out


def _execmem(files: Files) -> list[Reading]:
    """The execmem allocator's own statistics, under its own names."""
    return [
        reading(f"execmem.{key}", files.number(edge, EXECMEM, key), unit, {"at": edge})
        for edge in EDGES
        for key, unit in EXECMEM_UNITS.items()
    ]
