# SPDX-License-Identifier: GPL-2.0-only
"""The rows of a table: every reading over all builds, as a total, per second, per operation; walks
also per context switch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import mean

from harness.analysis import derive
from harness.analysis.comparison import Cell, ComparedTrial, Per, Row, Unknown
from harness.analysis.noise import drift, outliers
from harness.analysis.stats import Ratio, ratio, summarise
from harness.metrics.catalogue import OPERATIONS, PER_SWITCH, SECONDS, SWITCHES, Catalogue
from harness.model.reading import Reading, Source, Status
from harness.model.reading_spec import Kind
from harness.model.records import TrialStatus
from harness.model.trial_settings import Mode

DIVISORS = (
    (Per.SECOND, SECONDS),
    (Per.OPERATION, OPERATIONS),
    (Per.SWITCH, SWITCHES),
)

RowKey = tuple[str, Source, tuple[tuple[str, str], ...], str]


def table_rows(
    trials: Sequence[ComparedTrial],
    builds: Sequence[str],
    baseline: str,
    windows: Sequence[str],
    known: Catalogue,
) -> Iterable[Row]:
    by_key: dict[RowKey, dict[int, Reading]] = defaultdict(dict)
    for at, trial in enumerate(trials):
        if trial.record.status is not TrialStatus.OK:
            continue
        for reading in trial.readings:
            window = derive.window_of(reading, windows) or ""
            labels = tuple(sorted((k, v) for k, v in reading.labels.items() if k != "window"))
            by_key[reading.name, reading.source, labels, window][at] = reading
    dividers = [derive.denominators(t.record.readings, windows) for t in trials]
    good = [d for d, t in zip(dividers, trials, strict=True) if t.record.status is TrialStatus.OK]

    def make(key: RowKey, per: Per, readings: Mapping[int, Reading]) -> Row:
        name, source, labels, window = key
        unit = next(iter(readings.values())).unit
        return Row(
            metric=known.find(name, unit.partition("/")[0]),
            source=source,
            labels=labels,
            window=window,
            per=per,
            unit=unit,
            cells=_cells(trials, readings, builds, baseline),
        )

    for key in sorted(by_key, key=lambda k: (known.place(k[0]), k)):
        readings = by_key[key]
        name, source, _, window = key
        yield make(key, Per.TOTAL, readings)
        unit = next(iter(readings.values())).unit
        if not window or known.find(name, unit).kind is not Kind.COUNT:
            continue
        for per, divisor in DIVISORS:
            if name == divisor or (per is Per.SWITCH and name not in PER_SWITCH):
                continue
            by = derive.pick_source(divisor, window, source, good)
            if by is None:
                continue
            divided = {
                at: derive.divided(reading, dividers[at].get((divisor, window, by)), per.value)
                for at, reading in readings.items()
            }
            yield make(key, per, divided)


def _cells(
    trials: Sequence[ComparedTrial],
    readings: Mapping[int, Reading],
    builds: Sequence[str],
    baseline: str,
) -> dict[str, Cell]:
    read: dict[str, dict[int, list[float]]] = {b: defaultdict(list) for b in builds}
    unknown: dict[str, list[Unknown]] = {b: [] for b in builds}
    by_time: dict[str, list[tuple[str, float]]] = {b: [] for b in builds}
    scaled: set[str] = set()
    for at, trial in enumerate(trials):
        reading = readings.get(at)
        if reading is not None and reading.value is not None:
            read[trial.build][trial.seed].append(reading.value)
            if trial.record.spec.mode is not Mode.EXACT:
                by_time[trial.build].append((trial.record.started, reading.value))
            if reading.status is Status.SCALED:
                scaled.add(trial.build)
            continue
        if trial.record.status is not TrialStatus.OK:
            continue
        if reading is not None:
            status, reason = reading.status, reading.reason
        else:
            status, reason = Status.NOT_COUNTED, "not reported by this trial"
        unknown[trial.build].append(Unknown(seed=trial.seed, status=status, reason=reason))
    values = {
        build: {
            seed: readings[0] if len(readings) == 1 else mean(readings)
            for seed, readings in seeds.items()
        }
        for build, seeds in read.items()
    }
    return {
        build: Cell(
            values=values[build],
            unknown=tuple(unknown[build]),
            summary=summarise(list(values[build].values())),
            ratio=_ratio(values[build], values.get(baseline)) if build != baseline else None,
            scaled=build in scaled,
            outliers=outliers(values[build]),
            drift=drift([value for _, value in sorted(by_time[build])]),
        )
        for build in builds
    }


def _ratio(values: Mapping[int, float], base: Mapping[int, float] | None) -> Ratio:
    if base is None:
        return Ratio(value=None, reason="the baseline was not run with these settings")
    if any(value < 0 for value in (*values.values(), *base.values())):
        return Ratio(value=None, reason="negative values: no ratio")
    return ratio(values, base)
