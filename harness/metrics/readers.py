# SPDX-License-Identifier: GPL-2.0-only
"""How metrics are read, as data. ``harness.counters`` carries it out.

Every reader says of which source its readings are.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from harness.model.reading import Source


class When(StrEnum):
    """When something is sampled."""

    EDGES = "edges"  # of the trial: baseline, open, close, end
    CYCLES = "cycles"  # in each cycle of a workload that has cycles


AT_EDGES = (When.EDGES,)
IN_CYCLES = (When.CYCLES,)
ALWAYS = (When.EDGES, When.CYCLES)


@dataclass(frozen=True, kw_only=True)
class Counter:
    """A number in a file of the kernel that only grows: its growth over a phase, or since the
    first cycle."""

    file: str
    key: str
    when: tuple[When, ...] = AT_EDGES
    newer: bool = False  # of newer kernels: no reading where no sample has it
    boot: bool = False  # its value at the baseline, counted since boot, is a reading too
    source: ClassVar[Source] = Source.KERNEL


@dataclass(frozen=True, kw_only=True)
class Level:
    """A number in a file of the kernel, as it is at a moment."""

    file: str
    key: str
    when: tuple[When, ...] = AT_EDGES
    source: ClassVar[Source] = Source.KERNEL


@dataclass(frozen=True, kw_only=True)
class Table:
    """Every row of a file of the kernel, under ``label``; growth if the metric is a count."""

    file: str
    label: str
    on_request: bool = False  # no reading where the guest was not asked for the file
    source: ClassVar[Source] = Source.KERNEL


class Part(StrEnum):
    """Values that are computed of several files at an edge, by the module that does it."""

    TEXT = "layout"
    HELD = "holdings"
    MODULES = "modules"
    PAGE_TABLES = "guest_tables"


@dataclass(frozen=True, kw_only=True)
class Computed:
    """The value that ``part`` calls ``key``."""

    part: Part
    key: str
    when: tuple[When, ...] = AT_EDGES
    source: Source = Source.KERNEL


@dataclass(frozen=True, kw_only=True)
class EachFunction:
    """Counted calls of every function of ``counters.facts.calls``, under the label ``function``."""

    source: ClassVar[Source] = Source.MODEL


@dataclass(frozen=True, kw_only=True)
class CountedCalls:
    """Counted calls of kernel functions that stand for a counter, and where it counts them a
    row of /proc/interrupts."""

    functions: tuple[str, ...]
    interrupts: str = ""
    source: ClassVar[Source] = Source.MODEL


@dataclass(frozen=True, kw_only=True)
class WindowSum:
    """A count of the model in a window, over all vCPUs. ``count``: field of ``VcpuCounts``."""

    count: str
    source: ClassVar[Source] = Source.MODEL


@dataclass(frozen=True, kw_only=True)
class DataSum:
    """A count of loads and stores in a window, over all vCPUs. ``count``: field of
    ``DataCounts``."""

    count: str
    source: ClassVar[Source] = Source.MODEL


@dataclass(frozen=True, kw_only=True)
class Flushes:
    """Flushes of one kind, as the model names it, in a window."""

    kind: str
    source: ClassVar[Source] = Source.MODEL


@dataclass(frozen=True, kw_only=True)
class MissesByOrigin:
    """Misses in a window by the text that caused them. ``count``: field of ``Misses``."""

    count: str
    source: ClassVar[Source] = Source.MODEL


@dataclass(frozen=True, kw_only=True)
class Operations:
    """Executions of the symbol that the workload watches, in a window."""

    source: ClassVar[Source] = Source.MODEL


@dataclass(frozen=True, kw_only=True)
class PerfEvent:
    """An event of perf stat; ``counters.events`` has its encoding by CPU."""

    source: ClassVar[Source] = Source.PERF


@dataclass(frozen=True, kw_only=True)
class Clock:
    """A duration."""

    source: Source


@dataclass(frozen=True, kw_only=True)
class Emitted:
    """Emitted in the guest by a module of the agent, for whichever workload uses it."""

    module: str
    source: ClassVar[Source] = Source.WORKLOAD


Reader = (
    Counter
    | Level
    | Table
    | Computed
    | EachFunction
    | CountedCalls
    | WindowSum
    | DataSum
    | Flushes
    | MissesByOrigin
    | Operations
    | PerfEvent
    | Clock
    | Emitted
)
