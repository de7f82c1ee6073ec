# SPDX-License-Identifier: GPL-2.0-only
"""Runs one after the other: what changed, on which night, and with which input.

In exact mode a trial is a function of its inputs, so its series have no noise: any changed value
is a change, and one without a changed input is a fault of the lab. What a new kernel moves by
luck alone, since its text lies elsewhere, is told from what it changes by the seeds: the old
ones are run again, and a change is real where the ratio over them leaves 1 out after Holm's
correction over all changes of the night, and layout where it holds 1. Pure.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from harness.analysis.comparability import Settings
from harness.analysis.derive import groups
from harness.analysis.stats import Ratio, Verdict, ratio
from harness.analysis.together import together
from harness.errors import UserError
from harness.metrics.catalogue import Catalogue, of_workload
from harness.model.reading import Reading, Source
from harness.model.reading_spec import ReadingSpec
from harness.model.records import KernelIdentity, Manifest, TrialRecord, TrialStatus
from harness.model.trial_settings import Mode
from harness.store.loading import LoadedRun

HARNESS = "program"
"""The input that is the program itself, by its commit."""


class Kind(StrEnum):
    """What a changed value is."""

    REAL = "real"  # the interval over the seeds leaves "no change" out
    LAYOUT = "layout"  # the seeds do not agree: text lies elsewhere
    ONE_SEED = "one seed"  # which of the two nobody can tell
    LOST = "lost"  # known before, unknown now
    FOUND = "found"  # unknown before, known now


class Lane(NamedTuple):
    """What is compared from night to night: one build with one group of settings."""

    settings: Settings
    build: str


@dataclass(frozen=True, kw_only=True)
class Change:
    """One reading that changed. ``before`` and ``after`` by seed, of the seeds that both nights
    have; ``ratio`` of the two is None where one is not known."""

    metric: ReadingSpec
    source: Source
    labels: tuple[tuple[str, str], ...]
    kind: Kind
    before: Mapping[int, float | None]
    after: Mapping[int, float | None]
    ratio: Ratio | None = None

    @property
    def worse(self) -> bool:
        """A real change away from what is better."""
        return self.kind is Kind.REAL and self._direction() not in ("", self.metric.better)

    @property
    def better(self) -> bool:
        """A real change towards what is better."""
        return self.kind is Kind.REAL and self._direction() == self.metric.better != ""

    def _direction(self) -> str:
        if not self.metric.better:
            return ""
        old, new = (
            sum(v for v in values.values() if v is not None) for values in (self.before, self.after)
        )
        return "lower" if new < old else "higher"


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one night changed in one lane against the night before it that has the lane.

    ``inputs``: names of those whose hashes changed. ``seeds`` were compared.
    """

    run: str
    since: str  # the run compared with
    settings: Settings
    build: str
    seeds: tuple[int, ...]
    inputs: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def fault(self) -> bool:
        """Something changed and no input did."""
        return bool(self.changes) and not self.inputs


@dataclass(frozen=True, kw_only=True)
class NoComparison:
    """A lane of a night that could not be compared, and why."""

    run: str
    settings: Settings
    build: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Night:
    """One run."""

    run: str
    created: str
    trials: int  # with a result
    failed: int
    compared: int  # lanes that an earlier night has as well, with a seed in common
    measured: int = 0  # trials whose values have noise: nothing of them is compared here


@dataclass(frozen=True, kw_only=True)
class History:
    """All nights, oldest first. ``series``: how many readings were followed."""

    nights: tuple[Night, ...]
    builds: tuple[str, ...]
    series: int
    steps: tuple[Step, ...]  # those with a change or a changed input
    gaps: tuple[NoComparison, ...]
    measured: int  # trials whose values have noise: they are not judged here

    @property
    def last(self) -> Night:
        """The newest night."""
        return self.nights[-1]

    def of(self, run: str) -> tuple[Step, ...]:
        """What changed in ``run``."""
        return tuple(step for step in self.steps if step.run == run and step.changes)

    @property
    def faults(self) -> tuple[Step, ...]:
        """Changes without a changed input."""
        return tuple(step for step in self.steps if step.fault)


def regressions(steps: Iterable[Step]) -> tuple[tuple[Step, Change], ...]:
    """What became worse."""
    return tuple((step, change) for step in steps for change in step.changes if change.worse)


def history(runs: Sequence[LoadedRun]) -> History:
    """What changed from night to night in ``runs``. Raises UserError where there is none."""
    ordered = sorted(runs, key=lambda run: (run.manifest.created, run.manifest.run))
    if not ordered:
        raise UserError("no runs", "give a folder of runs")
    latest: dict[Lane, _Seen] = {}
    series: set[tuple[Lane, _ReadingKey]] = set()
    steps: list[Step] = []
    gaps: list[NoComparison] = []
    nights: list[Night] = []
    measured = 0
    builds: dict[str, None] = {}
    for run in ordered:
        tonight: list[Step] = []
        for lane, seen in _lanes(run).items():
            builds[lane.build] = None
            if lane.settings.mode is not Mode.EXACT:
                measured += len(seen.by_seed)
                continue
            series |= {(lane, key) for one in seen.by_seed.values() for key in one}
            before = latest.get(lane)
            if before is not None:
                found = _step(before, seen, lane)
                if isinstance(found, Step):
                    tonight.append(found)
                else:
                    gaps.append(found)
            latest[lane] = seen
        steps += [step for step in _judged(tonight) if step.changes or step.inputs]
        nights.append(_night(run, len(tonight)))
        gaps += _not_run(run, latest)
    return History(
        nights=tuple(nights),
        builds=tuple(builds),
        series=len(series),
        steps=tuple(steps),
        gaps=tuple(gaps),
        measured=measured,
    )


def inputs(manifest: Manifest, build: str, workload: str) -> dict[str, str]:
    """Everything that decides what a trial of ``build`` reads, by name, as hashes and versions."""
    kernel = next((k for k in manifest.kernels if k.name == build), None)
    return {
        "kernel": _kernel(kernel),
        "model": manifest.plugin_sha256,
        "CPU profile": manifest.profile_sha256,
        "bench": manifest.bench_sha256,
        "self-tests": manifest.selftests_sha256,
        "QEMU": manifest.qemu_version,
        "QEMU's program": manifest.qemu_sha256,
        "workload": manifest.workload_sha256.get(workload, ""),
        **{f"guest image ({layer})": sha for layer, sha in manifest.image_sha256.items()},
        HARNESS: f"{manifest.program_version} {manifest.program_commit}",
    }


def _kernel(kernel: KernelIdentity | None) -> str:
    return kernel.booted if kernel else ""


_ReadingKey = tuple[str, Source, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A lane in one run."""

    manifest: Manifest
    catalogue: Catalogue
    by_seed: Mapping[int, Mapping[_ReadingKey, Reading]]


def _lanes(run: LoadedRun) -> dict[Lane, _Seen]:
    """Of a trial that was repeated the first result, as comparisons take it."""
    found: dict[Lane, dict[int, Mapping[_ReadingKey, Reading]]] = defaultdict(dict)
    catalogues: dict[str, Catalogue] = {}
    for record in run.records:
        if record.status is not TrialStatus.OK:
            continue
        workload = record.spec.workload
        known = catalogues.setdefault(workload, of_workload(workload, [run.manifest]))
        by_seed = found[Lane(Settings.of(record.spec), record.spec.variant)]
        by_seed.setdefault(record.spec.seed, _readings(record, known))
    return {
        lane: _Seen(
            manifest=run.manifest, catalogue=catalogues[lane.settings.workload], by_seed=by_seed
        )
        for lane, by_seed in found.items()
    }


def _readings(record: TrialRecord, known: Catalogue) -> dict[_ReadingKey, Reading]:
    """Readings and those made of them; what the host's clock says is left out."""
    every = (*record.readings, *groups(record.readings, known.declared))
    return {
        (r.name, r.source, tuple(sorted(r.labels.items()))): r
        for r in every
        if r.source is not Source.HOST
    }


def _step(before: _Seen, after: _Seen, lane: Lane) -> Step | NoComparison:
    seeds = tuple(sorted(before.by_seed.keys() & after.by_seed.keys()))
    if not seeds:
        return NoComparison(
            run=after.manifest.run,
            settings=lane.settings,
            build=lane.build,
            reason=f"no seed in common with {before.manifest.run}",
        )
    old, new = (inputs(s.manifest, lane.build, lane.settings.workload) for s in (before, after))
    return Step(
        run=after.manifest.run,
        since=before.manifest.run,
        settings=lane.settings,
        build=lane.build,
        seeds=seeds,
        inputs=tuple(name for name in {**old, **new} if old.get(name, "") != new.get(name, "")),
        changes=tuple(_changes(before, after, seeds)),
    )


def _changes(before: _Seen, after: _Seen, seeds: Sequence[int]) -> Iterator[Change]:
    keys = {key for seen in (before, after) for seed in seeds for key in seen.by_seed[seed]}
    for key in sorted(keys, key=lambda k: (after.catalogue.place(k[0]), k)):
        old, new = (
            {s: r.value if (r := seen.by_seed[s].get(key)) else None for s in seeds}
            for seen in (before, after)
        )
        if old == new:
            continue
        name, source, labels = key
        reading = next(
            r
            for seen in (after, before)
            for s in seeds
            if (r := seen.by_seed[s].get(key)) is not None
        )
        kind, compared = _kind(old, new)
        yield Change(
            metric=after.catalogue.find(name, reading.unit),
            source=source,
            labels=labels,
            kind=kind,
            before=old,
            after=new,
            ratio=compared,
        )


Values = Mapping[int, float | None]


def _kind(old: Values, new: Values) -> tuple[Kind, Ratio | None]:
    """What the change is, read alone; see ``_judged``."""
    if any(old[s] is not None and new[s] is None for s in old):
        return Kind.LOST, None
    if any(old[s] is None and new[s] is not None for s in old):
        return Kind.FOUND, None
    before = {s: v for s, v in old.items() if v is not None}
    after = {s: v for s, v in new.items() if v is not None}
    if len(before) == 1:
        return Kind.ONE_SEED, None
    if any(v < 0 for v in (*before.values(), *after.values())):
        return Kind.LAYOUT, None
    compared = ratio(after, before)
    if compared.value is None:
        # From nothing to something: real where it is so at every seed.
        return (Kind.REAL if all(after.values()) else Kind.LAYOUT), compared
    return Kind.LAYOUT, compared


def _judged(steps: Sequence[Step]) -> list[Step]:
    """``steps`` of one night, their ratios read together."""
    ratios = [c.ratio for s in steps for c in s.changes if c.ratio and c.ratio.p is not None]
    corrected = iter(together(ratios))

    def judged(change: Change) -> Change:
        if change.ratio is None or change.ratio.p is None:
            return change
        one = next(corrected)
        real = one.verdict in (Verdict.LOWER, Verdict.HIGHER)
        return replace(change, ratio=one, kind=Kind.REAL if real else Kind.LAYOUT)

    return [replace(s, changes=tuple(judged(c) for c in s.changes)) for s in steps]


def _not_run(run: LoadedRun, known: Mapping[Lane, _Seen]) -> Iterator[NoComparison]:
    """Lanes of which the night has trials, all of them without a result."""
    asked = {Lane(Settings.of(t), t.variant) for t in run.manifest.trials}
    for lane in known:
        if lane in asked and known[lane].manifest.run != run.manifest.run:
            yield NoComparison(
                run=run.manifest.run,
                settings=lane.settings,
                build=lane.build,
                reason="no trial of it has a result",
            )


def _night(run: LoadedRun, compared: int) -> Night:
    good = [record for record in run.records if record.status is TrialStatus.OK]
    ok = len(good)
    return Night(
        run=run.manifest.run,
        created=run.manifest.created,
        trials=ok,
        failed=len(run.manifest.trials) - ok,
        compared=compared,
        measured=sum(record.spec.mode is not Mode.EXACT for record in good),
    )
