# SPDX-License-Identifier: GPL-2.0-only
"""The known-answer loops under the processor's own counters, where a guest has them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import doctor
from harness.counters import events
from harness.counters.events import WALK_2M, WALK_4K, Event
from harness.errors import InfrastructureError
from harness.itlb.known_answers import Loop
from harness.pipeline.loop_guest import ROUNDS, LoopGuest, Windows
from harness.targets.qemu.accel import Accelerator

PERF_TIMES = 100
"""How many times the rounds of a window perf counts: PERF_TIMES of page_loops.c."""
RAW, SOFTWARE = 4, 1  # perf_type_id of linux/perf_event.h
_COUNTED = re.compile(r"^perf (\d+) (\S+) (\d+)$")
_NONE = re.compile(r"^perf-none (\S+) (.+)$")
_RAW_CODE = re.compile(r"^r([0-9a-f]+)$")
_WALKS = {WALK_4K: "4k", WALK_2M: "2m"}


@dataclass(frozen=True, kw_only=True)
class PerfCount:
    """One event over one loop. ``error``: what it is off by, as a share of the accesses."""

    page_size: str
    pages: int
    stride: int
    event: str
    expected: int
    counted: int
    accesses: int

    @property
    def error(self) -> float:
        return (self.counted - self.expected) / self.accesses


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What the counters said, and in ``note`` why they said nothing or not all."""

    note: str
    counts: tuple[PerfCount, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PerfEvent:
    """An event as perf_event_open(2) takes it."""

    name: str
    type: int
    config: int


def wanted(requested: Iterable[Event]) -> tuple[PerfEvent, ...]:
    """The walks among ``requested`` that have a raw code."""
    codes = ((event, _RAW_CODE.match(event.name)) for event in requested if event.reading in _WALKS)
    return tuple(
        PerfEvent(name=event.reading, type=RAW, config=int(code[1], 16))
        for event, code in codes
        if code
    )


def parse(console: str) -> tuple[dict[tuple[int, str], int], dict[str, str]]:
    """Counts by window and event, and why an event could not be had, from the console."""
    counted: dict[tuple[int, str], int] = {}
    missing: dict[str, str] = {}
    for line in console.splitlines():
        if match := _COUNTED.match(line):
            counted[int(match[1]), match[2]] = int(match[3])
        elif none := _NONE.match(line):
            missing[none[1]] = none[2]
    return counted, missing


def compared(
    windows: Windows, walks: Mapping[Loop, int], counted: Mapping[tuple[int, str], int]
) -> tuple[PerfCount, ...]:
    """Each count beside what the loop must have: ``walks`` in a window, PERF_TIMES over."""
    out = []
    for (window, name), count in sorted(counted.items()):
        loop = windows[window]
        expected = walks[loop] * PERF_TIMES if _WALKS.get(name) == loop.page_size else 0
        out.append(
            PerfCount(
                page_size=loop.page_size,
                pages=loop.pages,
                stride=loop.stride,
                event=name,
                expected=expected,
                counted=count,
                accesses=loop.pages * ROUNDS * PERF_TIMES,
            )
        )
    return tuple(out)


def measure(
    guest: LoopGuest, batches: Sequence[Windows], walks: Mapping[Loop, int], work: Path,
    kvm: Accelerator | None = None,
) -> Hardware:  # fmt: skip
    """Run the loops in a KVM guest under perf. Nothing is counted where that cannot be, or where
    the guest does not come to its end."""
    kvm = kvm or doctor.hardware(doctor.HARDWARE)
    if not kvm.works:
        return Hardware(note=f"not supported: {kvm.reason}")
    asked = wanted(events.of_host())
    if not asked:
        return Hardware(note="not supported: no event of this CPU is known")
    counts: list[PerfCount] = []
    missing: dict[str, str] = {}
    for windows in batches:
        try:
            counted, absent = parse(guest.run_under_perf(windows, asked, work))
        except InfrastructureError as error:
            # The model's counts, which are there by then, do not depend on it.
            return Hardware(note=f"not counted: the KVM guest: {error.message}")
        counts += compared(windows, walks, counted)
        missing |= absent
    reasons = "; ".join(f"{name}: {why}" for name, why in missing.items())
    if not counts:
        return Hardware(note=f"not supported: {reasons or 'nothing was counted'}")
    return Hardware(note=reasons or f"counted in a KVM guest: {kvm.reason}", counts=tuple(counts))
