# SPDX-License-Identifier: GPL-2.0-only
"""Runs to a comparison: builds side by side, table by table, row by row.

Pure: the same runs give the same comparison. Everything a report shows is in it.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from harness.analysis import derive, loaded_programs
from harness.analysis.comparability import Settings, check, shared
from harness.analysis.comparison import (
    Block,
    ComparedTrial,
    Comparison,
    SeedPages,
    TrialFailure,
    TrialTaint,
)
from harness.analysis.replicates import replicates
from harness.analysis.sites import NamedTrial
from harness.analysis.sites import gather as gather_sites
from harness.analysis.table_rows import table_rows
from harness.analysis.verdicts import gather
from harness.errors import UserError
from harness.metrics.catalogue import PROBE, Catalogue, of_workload
from harness.model.records import Manifest, TrialStatus
from harness.store.loading import LoadedRun

WHOLE_RUN = "0"
"""Number of the model's window over the whole run; it is not a measured window."""


def compare(
    runs: Sequence[LoadedRun],
    *,
    baseline: str | None = None,
    allow: Collection[str] = (),
) -> Comparison:
    """Compare the builds of ``runs``; ratios are taken against ``baseline``.

    Without ``baseline`` it is the one of the first run's manifest. ``allow`` names keys
    of the provenance that may differ: trials of a build that the first run does not have share
    its table, whatever they differ in by an allowed setting. Raises UserError for runs that
    cannot be compared and for a baseline that is in none of them.
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
    tables: dict[Settings, list[ComparedTrial]] = defaultdict(list)
    problems = [problem for run in runs for problem in run.problems]
    known = {
        workload: of_workload(workload, manifests)
        for workload in dict.fromkeys(t.workload for m in manifests for t in m.trials)
    }
    common = shared(manifests[0], allow)
    own = {names[manifests[0].run, t.variant] for t in manifests[0].trials}
    for run in runs:
        for record in run.records:
            build = names[run.manifest.run, record.spec.variant]
            made = derive.groups(record.readings, known[record.spec.workload].declared)
            settings = Settings.of(record.spec)
            if build not in own:
                settings = replace(settings, **common.get(settings.workload, {}))
            tables[settings].append(
                ComparedTrial(
                    build=build,
                    seed=record.spec.seed,
                    record=record,
                    readings=(*record.readings, *made),
                )
            )
    blocks = []
    for settings, trials in tables.items():
        kept, odd = replicates(settings, trials)
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
            images[kernel.name].add(kernel.booted)
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


def _block(
    settings: Settings,
    trials: Sequence[ComparedTrial],
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
        rows=tuple(table_rows(trials, present, baseline, windows, known)),
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
        taints=tuple(
            TrialTaint(build=t.build, seed=t.seed, message=message)
            for t in good
            for message in t.record.taints or ()
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
        text_pages=_text_pages(good, present),
        notes=(
            *filter(None, [loaded_programs.note((t.build, t.record.readings) for t in good)]),
            *dict.fromkeys(note for t in trials for note in t.record.notes),
        ),
    )


def _text_pages(good: Sequence[ComparedTrial], builds: Sequence[str]) -> dict[str, SeedPages]:
    """The pages of programs at the lowest seed of each build whose trial knows them."""
    known: dict[str, SeedPages] = {}
    for trial in sorted(good, key=lambda t: (builds.index(t.build), t.seed)):
        if trial.record.text_pages is not None and trial.build not in known:
            known[trial.build] = SeedPages(seed=trial.seed, pages=trial.record.text_pages)
    return known
