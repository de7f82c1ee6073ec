# SPDX-License-Identifier: GPL-2.0-only
"""Readings made from the readings of one trial: sums, per second, per operation, per
context switch.

An unknown among the parts makes the whole unknown, with the reason; nothing is made 0.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.metrics.catalogue import MEASURED, OPERATIONS, ORIGIN_GROUPS, SECONDS, SWITCHES
from harness.model.reading import Reading, Source, Status, unknown
from harness.model.reading_spec import ReadingSpec

PREFERRED = (Source.MODEL, Source.PERF, Source.KERNEL, Source.WORKLOAD)
"""Which source's seconds and operations divide a reading whose own source has none."""


def merged(parts: Sequence[Reading], labels: Mapping[str, str], *, mean: bool = False) -> Reading:
    """The sum (or ``mean``) of ``parts`` under ``labels``.

    ``parts`` is not empty and of one name, unit and source.
    """
    first = parts[0]
    bad = next((part for part in parts if part.value is None), None)
    if bad is not None:
        return replace(bad, labels=dict(labels))
    scaled = next((part for part in parts if part.status is Status.SCALED), None)
    total = sum(part.value for part in parts if part.value is not None)
    return replace(
        first,
        value=total / len(parts) if mean else total,
        status=Status.SCALED if scaled else Status.OK,
        labels=dict(labels),
        reason=scaled.reason if scaled else "",
    )


def groups(
    readings: Iterable[Reading], declared: Iterable[ReadingSpec] = ()
) -> tuple[Reading, ...]:
    """Sums over origin groups (``ORIGIN_GROUPS``); means over a label and quotients as
    ``declared`` by the workload.

    One that the trial reports by itself is not made again.
    """
    readings, declared = tuple(readings), tuple(declared)
    reported = {reading.key for reading in readings}
    members: dict[tuple[str, Source, tuple[tuple[str, str], ...]], list[Reading]]
    members = defaultdict(list)
    group_of = {origin: name for name, parts in ORIGIN_GROUPS.items() for origin in parts}
    mean_over = {one.name: one.mean_over for one in declared if one.mean_over}
    for reading in readings:
        labels = dict(reading.labels)
        if labels.get("origin") in group_of:
            labels["origin"] = group_of[labels["origin"]]
        elif mean_over.get(reading.name) in labels:
            del labels[mean_over[reading.name]]
        else:
            continue
        members[reading.name, reading.source, tuple(sorted(labels.items()))].append(reading)
    made = (merged(parts, dict(key[2]), mean=key[0] in mean_over) for key, parts in members.items())
    every = (*made, *(one for spec in declared for one in quotients(readings, spec)))
    return tuple(reading for reading in every if reading.key not in reported)


def quotients(readings: Sequence[Reading], spec: ReadingSpec) -> tuple[Reading, ...]:
    """Readings as the quotient of ``spec``, where the trial has what it is divided by."""
    quotient = spec.quotient
    by = next((r for r in readings if quotient is not None and r.name == quotient.per), None)
    if quotient is None or by is None:
        return ()
    out = []
    for reading in readings:
        if reading.name == quotient.of and reading.labels.items() >= quotient.labels.items():
            one = divided(reading, by, quotient.per)
            value = None if one.value is None else one.value * quotient.times
            labels = {k: v for k, v in reading.labels.items() if k not in quotient.labels}
            out.append(replace(one, name=spec.name, value=value, unit=spec.unit, labels=labels))
    return tuple(out)


def window_of(reading: Reading, windows: Sequence[str]) -> str | None:
    """The label of the window that ``reading`` counts in; None when it is of no window.

    ``windows`` are the trial's windows. Readings with ``phase=window`` belong to the one
    between the edges, ``MEASURED``, or to the only one.
    """
    label = reading.labels.get("window")
    if label is not None:
        return label
    if reading.labels.get("phase") == "window":
        if MEASURED in windows:
            return MEASURED
        return windows[0] if len(windows) == 1 else None
    return None


def denominators(
    readings: Iterable[Reading], windows: Sequence[str]
) -> dict[tuple[str, str, Source], Reading]:
    """Seconds, operations and context switches of a trial by (name, window label or "", source).

    ``windows`` are the trial's windows.
    """
    return {
        (r.name, window_of(r, windows) or "", r.source): r
        for r in readings
        if r.name in (SECONDS, OPERATIONS, SWITCHES) and _of_all(r.labels)
    }


def _of_all(labels: Mapping[str, str]) -> bool:
    """Whether a reading with ``labels`` counts all of a window."""
    return all(
        key == "window" or (key, value) in (("phase", "window"), ("origin", "all"))
        for key, value in labels.items()
    )


def pick_source(
    name: str,
    window: str,
    own: Source,
    trials: Sequence[Mapping[tuple[str, str, Source], Reading]],
) -> Source | None:
    """The one source whose ``name`` divides readings of source ``own`` in all ``trials``.

    The reading's own source first, then ``PREFERRED``; one that is known in every trial
    before one that is known in some. None when no trial reports it.
    """
    order = [own, *(source for source in PREFERRED if source is not own)]
    for enough in (all, any):
        for source in order:
            counts = [trial.get((name, window, source)) for trial in trials]
            if counts and enough(r is not None and r.value is not None for r in counts):
                return source
    return next(
        (s for s in order if any((name, window, s) in trial for trial in trials)),
        None,
    )


def divided(reading: Reading, by: Reading | None, per: str) -> Reading:
    """``reading`` per unit of ``by``, its unit ``<unit>/<per>``.

    Unknown when either is, and when ``by`` is 0: a rate over nothing is not a rate.
    """
    unit = f"{reading.unit}/{per}"
    if reading.value is None:
        return replace(reading, unit=unit)
    if by is None or by.value is None:
        why = by.reason if by is not None else "not reported"
        status = by.status if by is not None else Status.NOT_COUNTED
        divisor = by.name if by is not None else per
        return unknown(
            reading.name, unit, reading.source, status, f"{divisor}: {why}", reading.labels
        )
    if by.value == 0:
        return unknown(
            reading.name,
            unit,
            reading.source,
            Status.NOT_COUNTED,
            f"{by.name} is 0",
            reading.labels,
        )
    scaled = Status.SCALED in (reading.status, by.status)
    return replace(
        reading,
        value=reading.value / by.value,
        unit=unit,
        status=Status.SCALED if scaled else Status.OK,
        reason=reading.reason or by.reason,
    )


def per_second(reading: Reading, seconds: Reading | None) -> Reading:
    """``reading`` per second of its window; ``seconds`` is the window's length."""
    return divided(reading, seconds, "s")
