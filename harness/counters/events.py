# SPDX-License-Identifier: GPL-2.0-only
"""The PMU events that stand for our readings, by CPU.

Encodings: the vendors' event lists as Linux 6.1 carries them (tools/perf/pmu-events/arch/x86,
virtual-memory.json and cache.json), the models from mapfile.csv beside them, the generic
event from arch/x86/events/{intel,amd}/core.c.

Everything is asked for as a raw code: a guest's perf may lack the vendor's names, and the
form ``cpu/event=.../`` is a syntax error where there is no PMU: perf 6.1 then ends with 129
and counts nothing, not even software events, while a raw code gets ``<not supported>``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path

from harness.metrics.catalogue import BY_NAME

INTEL, AMD = "GenuineIntel", "AuthenticAMD"
CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event as perf is asked for it (``name``), and the reading it becomes."""

    name: str  # "" where the CPU has no such event
    reading: str
    vendor_name: str = ""  # what the vendor's list calls it
    missing: str = ""  # why ``name`` is ""

    @property
    def unit(self) -> str:
        """Unit of the reading."""
        return BY_NAME[self.reading].unit


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """A CPU as CPUID names it."""

    vendor: str
    family: int
    model: int

    def __str__(self) -> str:
        return f"{self.vendor} family {self.family} model {self.model:#04x}"


@dataclass(frozen=True, kw_only=True)
class Part:
    """CPUs that share encodings. No ``models``: every one of the family from ``first``."""

    name: str
    vendor: str
    family: int
    events: tuple[Event, ...]
    models: frozenset[int] = frozenset()
    first: int = 0

    @property
    def counters(self) -> int:
        """How many of ``events`` can be counted at once."""
        return GENERAL_COUNTERS[self.vendor]

    def is_of(self, cpu: Cpu) -> bool:
        """Whether ``cpu`` is one of these."""
        if (cpu.vendor, cpu.family) != (self.vendor, self.family):
            return False
        return cpu.model in self.models if self.models else cpu.model >= self.first


GENERAL_COUNTERS = {INTEL: 4, AMD: 6}
"""Counters of a thread that count any of these events: Intel's are four, whatever else there is
(``Counter`` 0 to 3 in the event lists); AMD's six since family 15h (PERFCTR_CORE)."""
FEWEST = min(GENERAL_COUNTERS.values())


def raw(event: int, umask: int = 0) -> str:
    """perf's raw code of an event below 0x100, the same for Intel and AMD."""
    return f"r{umask << 8 | event:04x}"


# perf's generic event. Haswell, Broadwell: walks begun (0x0185). Skylake to Ice Lake: walks
# completed (0x0e85). Sapphire Rapids: 0x0e11. AMD 17h and later: all L2 misses (0xff85).
GENERIC = Event(name="iTLB-load-misses", reading="iTLB-load-misses")

# Counted by the kernel itself: says that perf works where no PMU does.
SOFTWARE = (Event(name="context-switches", reading="context_switches"),)

WALK_4K, WALK_2M = "itlb.walk_completed_4k", "itlb.walk_completed_2m_4m"
WALK_COALESCED = "itlb.walk_completed_coalesced_4k"
STLB_HIT = "itlb.stlb_hit"


def _intel(event: int, stlb_hit: int = 0x20) -> tuple[Event, ...]:
    """The two page sizes of the 2022 reference table, whose umasks are Intel's since Haswell, and
    second-level hits: Haswell and Broadwell count those of each page size apart (0x60: both).
    Four counters can count them, and no others (``Counter`` of virtual-memory.json)."""
    return (
        GENERIC,
        Event(name=raw(event, 0x02), reading=WALK_4K, vendor_name="itlb_misses.walk_completed_4k"),
        Event(
            name=raw(event, 0x04), reading=WALK_2M, vendor_name="itlb_misses.walk_completed_2m_4m"
        ),
        Event(name=raw(event, stlb_hit), reading=STLB_HIT, vendor_name="itlb_misses.stlb_hit"),
    )


def _amd(*, coalesces: bool = True) -> tuple[Event, ...]:
    """AMD's closest: second-level misses by page size, and second-level hits. Since Zen 3 four 4 kB
    pages that the CPU holds as one count apart (``coalesces``)."""
    name = "bp_l1_tlb_miss_l2_tlb_miss"
    words = f"{name}.coalesced_4k"
    coalesced = (Event(name=raw(0x85, 0x08), reading=WALK_COALESCED, vendor_name=words),)
    return (
        GENERIC,
        Event(name=raw(0x85, 0x01), reading=WALK_4K, vendor_name=f"{name}.if4k"),
        Event(name=raw(0x85, 0x02), reading=WALK_2M, vendor_name=f"{name}.if2m"),
        *(coalesced if coalesces else ()),
        Event(name=raw(0x84), reading=STLB_HIT, vendor_name="bp_l1_tlb_miss_l2_tlb_hit"),
    )


_HASWELL = frozenset({0x3C, 0x3F, 0x45, 0x46})
_BROADWELL = frozenset({0x3D, 0x47, 0x4F, 0x56})
_SKYLAKE = frozenset({0x4E, 0x5E, 0x8E, 0x9E, 0xA5, 0xA6, 0x55})
_ICE_LAKE = frozenset({0x7D, 0x7E, 0xA7, 0x6A, 0x6C, 0x8C, 0x8D})

PARTS = (
    Part(name="haswell", vendor=INTEL, family=6, models=_HASWELL, events=_intel(0x85, 0x60)),
    Part(name="broadwell", vendor=INTEL, family=6, models=_BROADWELL, events=_intel(0x85, 0x60)),
    Part(name="skylake", vendor=INTEL, family=6, models=_SKYLAKE, events=_intel(0x85)),
    Part(name="icelake", vendor=INTEL, family=6, models=_ICE_LAKE, events=_intel(0x85)),
    Part(
        name="sapphire-rapids",
        vendor=INTEL,
        family=6,
        models=frozenset({0x8F, 0xCF}),  # 0xCF: Emerald Rapids, by newer kernels' mapfile.csv
        events=_intel(0x11),
    ),
    # Newer than 6.1: graniterapids/virtual-memory.json of later kernels has 0x11 with all sizes;
    # the umasks of each size are taken to be Sapphire Rapids's.
    Part(
        name="granite-rapids",
        vendor=INTEL,
        family=6,
        models=frozenset({0xAD, 0xAE}),
        events=_intel(0x11),
    ),
    Part(name="zen2", vendor=AMD, family=0x17, first=0x30, events=_amd(coalesces=False)),
    Part(name="zen3/zen4", vendor=AMD, family=0x19, events=_amd()),
    # Newer than 6.1: amdzen5/branch-prediction.json of Linux 6.10 and later.
    Part(name="zen5", vendor=AMD, family=0x1A, events=_amd()),
)

REFERENCE = _intel(0x85)
"""The events of the 2022 reference table and second-level hits, as on most Intel parts."""

EVENTS = (*REFERENCE, *SOFTWARE)


def sets(events: Sequence[Event], counters: int) -> tuple[tuple[Event, ...], ...]:
    """``events``, in order, in as few sets as ``counters`` counters can count all of the time.

    Those of the kernel itself take no counter and are in the first, like those without a code.
    """
    free = [e for e in events if e in SOFTWARE or not e.name]
    counted = [e for e in events if e not in free]
    room = max(1, counters)
    count = max(1, -(-len(counted) // room))
    # As even as can be: a set with one event would take a trial for it alone.
    sizes = [len(counted) // count + (i < len(counted) % count) for i in range(count)]
    ends = list(accumulate(sizes))
    parts = [counted[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    return tuple((*part, *(free if i == 0 else ())) for i, part in enumerate(parts))


def part_of(cpu: Cpu) -> Part | None:
    """The part that ``cpu`` is, or None when its encodings are not known."""
    return next((part for part in PARTS if part.is_of(cpu)), None)


def for_cpu(cpu: Cpu | None) -> tuple[Event, ...]:
    """The events to ask ``cpu`` for. Those whose encoding is not known have no ``name``."""
    part = part_of(cpu) if cpu is not None else None
    if part is not None:
        return (*part.events, *SOFTWARE)
    why = f"no encoding is known for {cpu}" if cpu else "the CPU could not be told"
    missing = (Event(name="", reading=reading, missing=why) for reading in (WALK_4K, WALK_2M))
    return (GENERIC, *missing, *SOFTWARE)


def cpu_of(cpuinfo: str) -> Cpu | None:
    """The first CPU of a /proc/cpuinfo; None when it does not say."""
    fields = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", cpuinfo.partition("\n\n")[0], re.MULTILINE))
    try:
        return Cpu(
            vendor=fields["vendor_id"], family=int(fields["cpu family"]), model=int(fields["model"])
        )
    except (KeyError, ValueError):
        return None


def counters_of(cpu: Cpu | None) -> int:
    """How many events ``cpu`` counts at once; the fewest of any where that is not known."""
    part = part_of(cpu) if cpu is not None else None
    return part.counters if part is not None else FEWEST


@cache
def host_counters() -> int:
    """The same of this machine's CPU."""
    try:
        return counters_of(cpu_of(CPUINFO.read_text()))
    except OSError:
        return FEWEST


@cache
def of_host() -> tuple[Event, ...]:
    """The events of this machine's CPU, which a guest with ``-cpu host`` counts too."""
    try:
        return for_cpu(cpu_of(CPUINFO.read_text()))
    except OSError:
        return for_cpu(None)
