# SPDX-License-Identifier: GPL-2.0-only
"""The counters and states that the kernel tells in files, as readings, at the edges of a
trial and in the cycles of a workload that ages the guest.

Counters become differences: with the label ``phase`` between two edges, with ``cycle`` since
the first cycle, so that a curve begins at 0. States are as sampled, with the label ``at`` or
``cycle``. What cannot be read is unknown, with the file and the reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.counters.facts import held
from harness.counters.facts.files import EDGES, NEWER_ROWS, ROWS, Files, Missing, Value, reading
from harness.metrics.catalogue import read_by
from harness.metrics.metric import Metric
from harness.metrics.readers import Computed, Counter, Level, Part, Table, When
from harness.model.reading import Reading
from harness.model.reading_spec import Kind

PHASES = {
    "load": ("baseline", "open"),
    "window": ("open", "close"),
    "unload": ("close", "end"),
    "trial": ("baseline", "end"),
}

Labels = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Samples:
    """When files were sampled, by where the guest put them, and between which samples
    counters are compared; with the labels of the readings."""

    when: When
    moments: Mapping[str, Labels]
    spans: tuple[tuple[str, str, Labels], ...]


AT_THE_EDGES = Samples(
    when=When.EDGES,
    moments={edge: {"at": edge} for edge in EDGES},
    spans=tuple((first, last, {"phase": phase}) for phase, (first, last) in PHASES.items()),
)


def of_edges(files: Files) -> list[Reading]:
    """Readings of the trial's edges."""
    return _of_files(files, AT_THE_EDGES)


def of_cycles(files: Files, cycles: Iterable[int]) -> list[Reading]:
    """Readings of all ``cycles``, the first of which counters are compared to."""
    moments = {f"cycle-{cycle}": {"cycle": str(cycle)} for cycle in sorted(cycles)}
    first = next(iter(moments), "")
    spans = tuple((first, place, labels) for place, labels in moments.items())
    samples = Samples(when=When.CYCLES, moments=moments, spans=spans)
    return [*_of_files(files, samples), *_held(files, samples)]


def difference(key: str, before: Value, after: Value) -> Value:
    """What a counter grew by; unknown where either is, and where it fell."""
    if isinstance(before, Missing):
        return before
    if isinstance(after, Missing):
        return after
    if after < before:
        return Missing(f"{key} fell from {before} to {after}: no counter")
    return after - before


def _of_files(files: Files, samples: Samples) -> list[Reading]:
    out: list[Reading] = []
    for metric, counter in read_by(Counter):
        if samples.when in counter.when:
            out += _counter(files, samples, metric, counter)
    for metric, level in read_by(Level):
        if samples.when in level.when:
            out += [
                reading(metric, files.number(place, level.file, level.key), labels)
                for place, labels in samples.moments.items()
            ]
    if samples.when is When.EDGES:
        for metric, table in read_by(Table):
            out += _table(files, samples, metric, table)
    return out


def _counter(files: Files, samples: Samples, metric: Metric, counter: Counter) -> list[Reading]:
    at = {place: files.number(place, counter.file, counter.key) for place in samples.moments}
    if counter.newer and _nowhere(at):
        return []
    out = _growth(metric, counter.key, at, samples)
    if counter.boot and "baseline" in at:
        out.append(reading(metric, at["baseline"], samples.moments["baseline"]))
    return out


def _table(files: Files, samples: Samples, metric: Metric, table: Table) -> list[Reading]:
    asked = any(files.sampled(place, table.file) for place in samples.moments)
    if table.on_request and not asked:
        return []
    out: list[Reading] = []
    for row in ROWS[table.file]:
        at = {place: files.number(place, table.file, row) for place in samples.moments}
        if row in NEWER_ROWS and _nowhere(at):
            continue
        own = {table.label: row}
        if metric.kind is Kind.COUNT:
            out += _growth(metric, row, at, samples, **own)
        else:
            moments = samples.moments.items()
            out += [reading(metric, at[place], {**labels, **own}) for place, labels in moments]
    return out


def _growth(
    metric: Metric, key: str, at: Mapping[str, Value], samples: Samples, **own: str
) -> list[Reading]:
    return [
        reading(metric, difference(key, at[first], at[last]), {**labels, **own})
        for first, last, labels in samples.spans
    ]


def _nowhere(at: Mapping[str, Value]) -> bool:
    return all(isinstance(value, Missing) for value in at.values())


def _held(files: Files, samples: Samples) -> list[Reading]:
    """Memory held for text, where no page tables are sampled beside it."""
    return [
        reading(metric, held.BY_KEY[reader.key](files, place), labels)
        for metric, reader in read_by(Computed)
        if reader.part is Part.HELD and samples.when in reader.when
        for place, labels in samples.moments.items()
    ]
