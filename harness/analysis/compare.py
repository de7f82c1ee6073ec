# SPDX-License-Identifier: GPL-2.0-only
"""Runs to a comparison: builds side by side, table by table, row by row.

Pure: the same runs give the same comparison. Everything a report shows is in it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import mean

from harness.analysis import derive, loaded_programs
from harness.analysis.comparability import Settings, check
from harness.analysis.sites import NamedTrial, SiteRow
from harness.analysis.sites import gather as gather_sites
from harness.analysis.stats import Ratio, Summary, ratio, summarise
from harness.analysis.verdicts import Verdicts, gather
from harness.errors import UserError
from harness.metrics.catalogue import OPERATIONS, PROBE, SECONDS, Catalogue, of_workload
from harness.model.reading import Reading, Source, Status
from harness.model.reading_spec import Kind, ReadingSpec
from harness.model.records import Manifest, TrialRecord, TrialStatus
from harness.model.trial_settings import Mode
from harness.store.loading import LoadedRun

WHOLE_RUN = "0"
"""Number of the model's window over the whole run; it is not a measured window."""


class Per(StrEnum):
    """What a row is divided by."""

    TOTAL = ""
    SECOND = "s"
    OPERATION = "op"


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """Why a value is missing for one seed."""

    seed: int
    status: Status
    reason: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One build in one row. ``values`` by seed; ``ratio`` is None for the baseline itself.

    Trials that failed are in neither ``values`` nor ``unknown``: see ``Block.failures``.
    """

    values: Mapping[int, float]
    unknown: tuple[Unknown, ...]
    summary: Summary | None
    ratio: Ratio | None
    scaled: bool = False  # some value was extrapolated from a multiplexed counter


@dataclass(frozen=True, kw_only=True)
class Row:
    """One reading, as a total, per second or per operation, over all builds."""

    metric: ReadingSpec
    source: Source
    labels: tuple[tuple[str, str], ...]  # without the window, which is the row's own field
    window: str  # label of the window; "" for readings of no window
    per: Per
    unit: str
    cells: Mapping[str, Cell]  # by build

    def label(self, name: str) -> str:
        """The label ``name``, "" without."""
        return dict(self.labels).get(name, "")


@dataclass(frozen=True, kw_only=True)
class TrialFailure:
    """A trial that gave no result."""

    build: str
    seed: int
    kind: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Block:
    """One table: equal settings, builds side by side."""

    settings: Settings
    builds: tuple[str, ...]
    baseline: str  # "" when the baseline has no trial here
    seeds: Mapping[str, tuple[int, ...]]  # seeds with a result, by build
    windows: tuple[str, ...]  # labels of the measured windows
    rows: tuple[Row, ...]
    failures: tuple[TrialFailure, ...] = ()
    verdicts: Verdicts | None = None  # of the kernel's own tests, where the workload runs them
    sites: tuple[SiteRow, ...] = ()  # named texts, those with most walks first
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All tables of the runs compared."""

    runs: tuple[str, ...]
    manifests: tuple[Manifest, ...]
    baseline: str
    builds: tuple[str, ...]  # the baseline first
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()  # what the reader must know
    problems: tuple[str, ...] = ()  # torn lines, missing trials, results that do not repeat


@dataclass(frozen=True, kw_only=True)
class _Trial:
    build: str
    seed: int
    record: TrialRecord
    readings: tuple[Reading, ...] = field(default=())


def compare(
    runs: Sequence[LoadedRun],
    *,
    baseline: str | None = None,
    allow: Collection[str] = (),
) -> Comparison:
    """Compare the builds of ``runs``; ratios are taken against ``baseline``.

    Without ``baseline`` it is the one of the first run's manifest. ``allow`` names keys
    of the provenance that may differ. Raises UserError for runs that cannot be compared
    and for a baseline that is in none of them.
    """
    if not runs:
        raise UserError("no run to compare", "give one or more run folders")
    manifests = tuple(run.manifest for run in runs)
    notes = list(check(manifests, allow))
    names = build_names(manifests)
    builds = tuple(dict.fromkeys(names[key] for key in names))
    chosen, baseline_notes = _baseline(baseline, manifests[0], builds)
    notes += baseline_notes
    builds = tuple(sorted(builds, key=lambda b: b != chosen))
    tables: dict[Settings, list[_Trial]] = defaultdict(list)
    problems = [problem for run in runs for problem in run.problems]
    known = {
        workload: of_workload(workload, manifests)
        for workload in dict.fromkeys(t.workload for m in manifests for t in m.trials)
    }
    for run in runs:
        for record in run.records:
            build = names[run.manifest.run, record.spec.variant]
            made = derive.groups(record.readings, known[record.spec.workload].declared)
            tables[Settings.of(record.spec)].append(
                _Trial(
                    build=build,
                    seed=record.spec.seed,
                    record=record,
                    readings=(*record.readings, *made),
                )
            )
    blocks = []
    for settings, trials in tables.items():
        kept, odd = _replicates(settings, trials)
        problems += odd
        blocks.append(_block(settings, kept, builds, chosen, known[settings.workload]))
    return Comparison(
        runs=tuple(m.run for m in manifests),
        manifests=manifests,
        baseline=chosen,
        builds=builds,
        blocks=tuple(blocks),
        notes=tuple(dict.fromkeys(notes)),
        problems=tuple(problems),
    )


def build_names(manifests: Sequence[Manifest]) -> dict[tuple[str, str], str]:
    """What to call each kernel: (run, variant) -> name.

    The variant's name; where runs hold different kernels of one name, with the run's.
    """
    images: dict[str, set[str]] = defaultdict(set)
    for manifest in manifests:
        for kernel in manifest.kernels:
            images[kernel.name].add(kernel.image_sha256)
    names: dict[tuple[str, str], str] = {}
    for manifest in manifests:
        order = dict.fromkeys([k.name for k in manifest.kernels])
        order |= dict.fromkeys([t.variant for t in manifest.trials])
        for name in order:
            several = len(images.get(name, ())) > 1
            names[manifest.run, name] = f"{name}@{manifest.run}" if several else name
    return names


def _baseline(
    asked: str | None, first: Manifest, builds: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    if asked is not None:
        if asked not in builds:
            raise UserError(
                f"baseline {asked!r} is in none of the runs", f"give one of: {', '.join(builds)}"
            )
        return asked, ()
    for name in (first.baseline, f"{first.baseline}@{first.run}"):
        if name in builds:
            return name, ()
    note = f"the baseline {first.baseline} is not among the builds: ratios are to {builds[0]}"
    return builds[0], (note,) if first.baseline and len(builds) > 1 else ()


def _replicates(settings: Settings, trials: Sequence[_Trial]) -> tuple[list[_Trial], list[str]]:
    """The trials that count, and what did not repeat.

    In exact mode a trial that was run again must agree to the last digit (outside the
    host's own readings) and counts once. In other modes all count, by their mean over
    each seed.
    """
    if settings.mode is not Mode.EXACT:
        return list(trials), []
    kept: dict[tuple[str, int], _Trial] = {}
    problems = []
    for trial in trials:
        key = (trial.build, trial.seed)
        before = kept.get(key)
        if before is None or before.record.status is not TrialStatus.OK:
            kept[key] = trial
            continue
        if trial.record.status is not TrialStatus.OK:
            continue
        differs = first_difference(before.record, trial.record)
        if differs:
            problems.append(
                f"{settings.workload} on {trial.build}, pti={settings.pti}, "
                f"seed {trial.seed} does not repeat: {differs}; the first result is used"
            )
    return list(kept.values()), problems


def first_difference(left: TrialRecord, right: TrialRecord) -> str:
    """The first reading in which two trials differ, host readings aside; "" if none."""
    ours = {r.key: r for r in left.readings if r.source is not Source.HOST}
    theirs = {r.key: r for r in right.readings if r.source is not Source.HOST}
    for key in {**ours, **theirs}:
        a, b = ours.get(key), theirs.get(key)
        if a is None or b is None or (a.value, a.status) != (b.value, b.status):
            labels = ",".join(f"{k}={v}" for k, v in key[2])
            shown = ["absent" if r is None else str(r.value) for r in (a, b)]
            return f"{key[0]}{{{labels}}} is {shown[0]} and {shown[1]}"
    return ""


def _block(
    settings: Settings,
    trials: Sequence[_Trial],
    builds: Sequence[str],
    baseline: str,
    known: Catalogue,
) -> Block:
    good = [t for t in trials if t.record.status is TrialStatus.OK]
    present = tuple(b for b in builds if any(t.build == b for t in trials))
    windows = tuple(
        dict.fromkeys(
            label
            for trial in good
            for number, label in sorted(trial.record.windows.items())
            if number != WHOLE_RUN and not label.startswith(PROBE)
        )
    )
    seeds = {b: tuple(sorted({t.seed for t in good if t.build == b})) for b in present}
    return Block(
        settings=settings,
        builds=present,
        baseline=baseline if baseline in present else "",
        seeds=seeds,
        windows=windows,
        rows=tuple(_rows(trials, present, baseline, windows, known)),
        failures=tuple(
            TrialFailure(
                build=t.build,
                seed=t.seed,
                kind=t.record.failure.kind if t.record.failure else "unknown",
                message=t.record.failure.message if t.record.failure else "no reason recorded",
            )
            for t in trials
            if t.record.status is not TrialStatus.OK
        ),
        verdicts=gather(((t.build, t.record.verdicts) for t in good), present, baseline),
        sites=gather_sites(
            (
                NamedTrial(
                    build=t.build,
                    seed=t.seed,
                    sites=t.record.sites,
                    windows=len(t.record.windows),
                )
                for t in good
            ),
            present,
        ),
        notes=(
            *filter(None, [loaded_programs.note((t.build, t.record.readings) for t in good)]),
            *dict.fromkeys(note for t in trials for note in t.record.notes),
        ),
    )


RowKey = tuple[str, Source, tuple[tuple[str, str], ...], str]


def _rows(
    trials: Sequence[_Trial],
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
    dividers = [derive.denominators(t.record.readings) for t in trials]
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
        for per, divisor in ((Per.SECOND, SECONDS), (Per.OPERATION, OPERATIONS)):
            if name == divisor:
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
    trials: Sequence[_Trial],
    readings: Mapping[int, Reading],
    builds: Sequence[str],
    baseline: str,
) -> dict[str, Cell]:
    read: dict[str, dict[int, list[float]]] = {b: defaultdict(list) for b in builds}
    unknown: dict[str, list[Unknown]] = {b: [] for b in builds}
    scaled: set[str] = set()
    for at, trial in enumerate(trials):
        reading = readings.get(at)
        if reading is not None and reading.value is not None:
            read[trial.build][trial.seed].append(reading.value)
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
        )
        for build in builds
    }


def _ratio(ours: Mapping[int, float], base: Mapping[int, float] | None) -> Ratio:
    if base is None:
        return Ratio(value=None, reason="the baseline was not run with these settings")
    if any(value < 0 for value in (*ours.values(), *base.values())):
        return Ratio(value=None, reason="negative values: no ratio")
    return ratio(ours, base)
