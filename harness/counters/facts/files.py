# SPDX-License-Identifier: GPL-2.0-only
"""The raw files of a trial by edge and name, parsed when asked for; what is not there says why."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from harness.counters.facts import memory, proc_files, trace
from harness.errors import DataError
from harness.metrics.catalogue import read_by
from harness.metrics.metric import Metric
from harness.metrics.readers import Computed, Part
from harness.model.reading import Reading, Source, Status, unknown

T = TypeVar("T")

EDGES = ("baseline", "open", "close", "end")
"""Before the set-up; the window's opening and closing; after the teardown."""

PARSERS: Mapping[str, Callable[[str], Mapping[str, int]]] = {
    "proc/vmstat": proc_files.pairs,
    "proc/meminfo": proc_files.meminfo,
    "proc/interrupts": proc_files.interrupts,
    "proc/stat": proc_files.stat,
    "proc/vmallocinfo": memory.vmalloc,
    "proc/slabinfo": memory.slab,
    "proc/buddyinfo": memory.buddy,
    "execmem/stats": proc_files.pairs,
    "tracing/tlb_flush": trace.tlb_flush,
}
"""Files that are tables of numbers, by name."""

ROWS: Mapping[str, tuple[str, ...]] = {
    "proc/vmallocinfo": memory.OWNER_NAMES,
    "proc/slabinfo": memory.SLAB_GROUPS,
    "tracing/tlb_flush": trace.REASONS,
}
"""Rows of those of which every row is a reading."""
NEWER_ROWS = frozenset({trace.NEWER_REASON})
"""Rows of newer kernels: no reading where no sample has them."""


DIGITS = 20
"""Of a number that a kernel writes: those of 64 bits have no more."""
_NO_NUMBER = re.compile(rb"[0-9]{%d}" % (DIGITS + 1))


@dataclass(frozen=True)
class Missing:
    """A value that is not there, and why."""

    reason: str
    status: Status = Status.NOT_SUPPORTED


Value = int | Missing


class Files:
    """The raw files of a trial by ``<edge>/<file>``, parsed when asked for, once."""

    def __init__(self, files: Mapping[str, bytes], absent: Mapping[str, str]) -> None:
        self._files = files
        self._absent = absent
        self._tables: dict[tuple[str, str], Mapping[str, int] | Missing] = {}

    def sampled(self, edge: str, name: str) -> bool:
        """Whether the guest was asked for the file, could it be read or not."""
        return f"{edge}/{name}" in self._files or f"{edge}/{name}" in self._absent

    def raw(self, edge: str, name: str) -> bytes | Missing:
        """The bytes of a file, or why there are none."""
        key = f"{edge}/{name}"
        if key in self._files:
            return self._files[key]
        return Missing(self._absent.get(key, f"{name} was not sampled at {edge}"))

    def parsed(self, edge: str, name: str, parse: Callable[[bytes], T]) -> T | Missing:
        """What ``parse`` makes of a file, or why it is unknown; a DataError is a reason."""
        data = self.raw(edge, name)
        if isinstance(data, Missing):
            return data
        if _NO_NUMBER.search(data):
            return Missing(f"{name}: it has a number of more than {DIGITS} digits")
        try:
            return parse(data)
        except DataError as error:
            return Missing(f"{name}: {error}")

    def table(self, edge: str, name: str) -> Mapping[str, int] | Missing:
        """The numbers of a file by their names in it, or why they are unknown."""
        where = (edge, name)
        if where not in self._tables:
            parse = PARSERS[name]
            self._tables[where] = self.parsed(
                edge, name, lambda data: parse(data.decode(errors="replace"))
            )
        return self._tables[where]

    def number(self, edge: str, name: str, key: str) -> Value:
        """The number ``key`` of a file, or why it is unknown."""
        table = self.table(edge, name)
        if isinstance(table, Missing):
            return table
        if key not in table:
            return Missing(f"{name} has no {key}")
        return table[key]


def reading(
    metric: Metric,
    value: float | Missing,
    labels: Mapping[str, str],
    source: Source = Source.KERNEL,
) -> Reading:
    """``value`` as a reading of ``metric``; without a value, and with the reason, if missing."""
    if isinstance(value, Missing):
        return unknown(metric.name, metric.unit, source, value.status, value.reason, labels)
    return Reading(name=metric.name, value=value, unit=metric.unit, source=source, labels=labels)


def computed(
    part: Part, values: Mapping[str, float | Missing], labels: Mapping[str, str]
) -> list[Reading]:
    """``values`` of ``part`` by their keys as readings; each key must be of a metric."""
    metrics = {
        reader.key: (metric, reader.source)
        for metric, reader in read_by(Computed)
        if reader.part is part
    }
    return [
        reading(metrics[key][0], value, labels, metrics[key][1]) for key, value in values.items()
    ]
