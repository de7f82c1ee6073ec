# SPDX-License-Identifier: GPL-2.0-only
"""Facts sampled once a cycle of a workload that ages the guest: the label ``cycle``.

Counters are since the first cycle, so that a curve begins at 0; states are as sampled.
"""

import re
from collections.abc import Iterable

from harness.counters.facts import held
from harness.counters.facts.files import Files, Missing, Value, reading
from harness.errors import DataError
from harness.model import Reading

STATES = {
    "direct_map.4k": ("DirectMap4k", "kB"),
    "direct_map.2m": ("DirectMap2M", "kB"),
    "direct_map.1g": ("DirectMap1G", "kB"),
    "memory.slab": ("Slab", "kB"),
    "memory.page_tables": ("PageTables", "kB"),
}
COUNTERS = {
    "direct_map.splits_2m": "direct_map_level2_splits",
    "direct_map.splits_1g": "direct_map_level3_splits",
    "tlb.remote_flush": "nr_tlb_remote_flush",
}
# Of newer kernels only: the direct map that heals.
NEWER_COUNTERS = {
    "direct_map.collapses_2m": "direct_map_level2_collapses",
    "direct_map.collapses_1g": "direct_map_level3_collapses",
}
BUDDY = "proc/buddyinfo"
LARGE_ORDER = 9

_ZONE = re.compile(r"^Node \d+, zone\s+\w+((?:\s+\d+)+)\s*$")


def edge(cycle: int) -> str:
    """Where the guest puts what it samples in ``cycle``."""
    return f"cycle-{cycle}"


def free_large(text: str) -> int:
    """/proc/buddyinfo: free memory in whole 2 MB pages (blocks of order 9 and above).

    Raises DataError with the line for anything else, and for other numbers of orders.
    """
    total = zones = 0
    for number, line in enumerate(text.splitlines(), 1):
        zone = _ZONE.match(line)
        blocks = [int(word) for word in zone[1].split()] if zone else []
        if len(blocks) != LARGE_ORDER + 2:
            raise DataError(f"line {number} is no zone with 11 orders: {line[:60]!r}")
        total += sum(n << order for order, n in enumerate(blocks[LARGE_ORDER:]))
        zones += 1
    if not zones:
        raise DataError("no zone in it")
    return total


def of_cycles(files: Files, cycles: Iterable[int]) -> list[Reading]:
    """Readings of all ``cycles``, the first of which counters are compared to."""
    numbers = sorted(cycles)
    out: list[Reading] = []
    for cycle in numbers:
        at, labels = edge(cycle), {"cycle": str(cycle)}
        for name, (key, unit) in STATES.items():
            out.append(reading(name, files.number(at, "proc/meminfo", key), unit, labels))
        for name, key in COUNTERS.items():
            out.append(reading(name, _since(files, key, numbers[0], cycle), "event", labels))
        for name, key in NEWER_COUNTERS.items():
            if not isinstance(files.number(at, "proc/vmstat", key), Missing):
                out.append(reading(name, _since(files, key, numbers[0], cycle), "event", labels))
        free = files.parsed(at, BUDDY, lambda data: free_large(data.decode(errors="replace")))
        out.append(reading("memory.free_large", free, "page", labels))
        out.append(reading("bpf.text.held_bytes", held.by_bpf(files, at), "B", labels))
    return out


def _since(files: Files, key: str, first: int, cycle: int) -> Value:
    before = files.number(edge(first), "proc/vmstat", key)
    after = files.number(edge(cycle), "proc/vmstat", key)
    if isinstance(before, Missing):
        return before
    return after if isinstance(after, Missing) else after - before
