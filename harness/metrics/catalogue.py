# SPDX-License-Identifier: GPL-2.0-only
"""The readings that are known by name, the program's own and a workload's, in the order of
the tables; and how their labels are grouped.

A reading that nobody declares is compared as well, as a level, under its own name.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from harness.metrics import shipped
from harness.metrics.catalogue_data_side import DATA_SIDE
from harness.metrics.catalogue_direct_map import DIRECT_MAP
from harness.metrics.catalogue_itlb import ITLB
from harness.metrics.catalogue_memory import MEMORY
from harness.metrics.catalogue_tests import TESTS
from harness.metrics.catalogue_text import TEXT
from harness.metrics.catalogue_work import WORK
from harness.metrics.metric import Metric
from harness.metrics.readers import CountedCalls, Reader
from harness.model.reading_spec import Kind, ReadingSpec, Section
from harness.model.records import Manifest

METRICS: tuple[Metric, ...] = (*ITLB, *DATA_SIDE, *TEXT, *DIRECT_MAP, *MEMORY, *TESTS, *WORK)
BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}

R = TypeVar("R", bound=Reader)

MEASURED = "measured"
"""The window that every workload has: its ``measure``, between the edges open and close."""
PROBE = "probe-"
"""Windows whose names begin so are for rows made of them, not for tables of their own."""

SECONDS = "window.seconds"
OPERATIONS = "ops"
SWITCHES = "context_switches"
PER_SWITCH = frozenset(
    {
        "itlb.walks",
        "itlb.walk_completed_4k",
        "itlb.walk_completed_coalesced_4k",
        "itlb.walk_completed_2m_4m",
        "itlb.walk_completed_1g",
    }
)
"""Readings that tables also show per context switch."""

COUNTED_CALLS = frozenset(
    metric.name
    for metric in METRICS
    if any(isinstance(reader, CountedCalls) for reader in metric.readers)
)
"""Of source ``model`` these are counted calls of the kernel's functions. The answer shows them
where a kernel does not count by itself, full tables always."""

ORIGIN_GROUPS: dict[str, tuple[str, ...]] = {
    "bpf": ("bpf_prog", "bpf_trampoline", "bpf_dispatcher"),
    "rest": ("module", "ftrace_trampoline", "kprobe", "other"),
}
"""Sums of origins made for tables, beside the origins as read."""

ORIGIN_TITLES: dict[str, str] = {
    "all": "all text",
    "bpf": "BPF text",
    "kernel_image": "kernel image",
    "user": "user text",
    "corunner": "of it, the co-runner's",
    "dynamic": "text that comes and goes",
    "rest": "other text",
}
"""Origins that tables show, in order."""


def read_by(kind: type[R]) -> tuple[tuple[Metric, R], ...]:
    """Metrics that have a reader of ``kind``, each with that reader."""
    return tuple(
        (metric, reader)
        for metric in METRICS
        for reader in metric.readers
        if isinstance(reader, kind)
    )


def by_counted_calls(reading: ReadingSpec) -> bool:
    """Whether readings of source ``model`` of that name are counted calls, or made of them."""
    of = reading.quotient.of if reading.quotient else reading.name
    return of in COUNTED_CALLS


class Catalogue:
    """The program's metrics and the readings that one workload declares."""

    def __init__(self, declared: Iterable[ReadingSpec] = ()) -> None:
        # Copied: msgspec leaves out of JSON what a decoded definition left at its default.
        self.declared = tuple(replace(one) for one in declared if one.name not in BY_NAME)
        last = {metric.name for metric in WORK}
        first = (metric for metric in METRICS if metric.name not in last)
        # A workload's own work comes before that which every workload does.
        self._known: dict[str, ReadingSpec] = {
            one.name: one for one in (*first, *self.declared, *WORK)
        }
        self._places = {name: place for place, name in enumerate(self._known)}

    def find(self, name: str, unit: str) -> ReadingSpec:
        """The entry for ``name``; one made up as a level in ``unit`` when it is not known."""
        known = self._known.get(name)
        if known is not None:
            return known
        return ReadingSpec(name=name, title=name, unit=unit, section=Section.OTHER, kind=Kind.LEVEL)

    def place(self, name: str) -> int:
        """Where ``name`` stands in tables: those that are not known after all others."""
        return self._places.get(name, len(self._places))


def of_workload(workload: str, manifests: Iterable[Manifest]) -> Catalogue:
    """What is known of the readings of ``workload`` in runs with these ``manifests``.

    A run keeps what its workloads declared. One made before runs did has what the workload of
    that name declares now, if it comes with the program.
    """
    for manifest in manifests:
        if workload in manifest.readings:
            return Catalogue(manifest.readings[workload])
    return Catalogue(shipped.declarations().get(workload, ()))
