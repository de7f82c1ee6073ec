# SPDX-License-Identifier: GPL-2.0-only
"""One run on many machines: a plan's keys, and the trial of one key.

A trial in exact mode is a function of its inputs, which its key names. So who computes it, when,
and how often, does not matter; whatever starts programs on other machines can share them out.
"""

import platform
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from harness.analysis.other_inputs import other_inputs
from harness.analysis.same_result import first_difference
from harness.analysis.trial_keys import AGAIN, key_of, once_more, trials_by_key
from harness.errors import BenchError, DataError, UserError
from harness.model.records import Manifest, TrialRecord
from harness.model.specs import TrialSpec
from harness.model.trial_settings import Mode
from harness.pipeline import manifests, planning, resuming
from harness.pipeline.interruptible import interruptible
from harness.pipeline.machine import Machine
from harness.pipeline.planning import RunRequest
from harness.pipeline.progress import Progress
from harness.pipeline.readying import ready
from harness.pipeline.trial import TrialContext, run_trial
from harness.scratch import sweep
from harness.store import create_run, find_run, folder_errors
from harness.store.loading import MANIFEST, load_manifest
from harness.store.trial_folder import RAW, TRIALS, is_good, keep, load, room


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A run that was planned: its folder, the keys of its trials, and of those to be computed
    once more."""

    path: Path
    keys: tuple[str, ...]
    again: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Computed:
    """The result of one key. ``before``: it was there already."""

    path: Path
    record: TrialRecord
    before: bool

    @property
    def line(self) -> str:
        """What came of it, in words."""
        failure = self.record.failure
        if failure is not None:
            return f"{self.path.name}: FAILED ({failure.kind}): {failure.message}"
        how = "there already" if self.before else f"{self.record.wall_seconds:.0f} s"
        return f"{self.path.name}: {how}"


def plan_trials(
    request: RunRequest,
    progress: Progress,
    *,
    verify: float = 0.0,
    machine: Machine | None = None,
) -> Spread:
    """Make everything ready as ``run`` does, and keep the run's manifest, without a trial.

    ``verify``: percentage of the trials that are to be computed once more elsewhere. Raises
    UserError for another mode than exact, and the errors of the stages.
    """
    machine = machine or Machine()
    planned = planning.plan(request, machine)
    if planned.choice.mode is not Mode.EXACT:
        raise UserError(
            f"--mode {planned.choice.mode}: what is measured there is of that machine",
            "plan trials of --mode exact, and `run` the others on each machine",
        )
    with ready(request, planned, None, progress, machine) as prepared:
        manifest = manifests.make_manifest(request, planned, prepared, machine)
    with create_run(manifest, request.out) as made:
        keys = tuple(trials_by_key(made.manifest))
        return Spread(path=made.path, keys=keys, again=tuple(once_more(keys, verify)))


def compute(
    key: str,
    out: Path,
    progress: Progress,
    *,
    plan: str | None = None,
    machine: Machine | None = None,
) -> Computed:
    """Compute the trial of ``key``, of the run ``plan`` (None: whichever below ``out`` has it),
    and keep it in the run's folder, at once. One that is there and did not fail stays.

    Raises UserError for a key that no run has, and where something that decides the trial is
    not here what the key says; DataError where another machine has kept another result
    meanwhile; Interrupted.
    """
    machine = machine or Machine()
    sweep()
    path, manifest, trial = _planned(key, out, plan)
    folder = path / TRIALS / key
    if is_good(folder):
        return Computed(path=folder, record=load(folder).record, before=True)
    saved = resuming.saved_run(str(path), out, {})
    request = planning.as_saved(RunRequest(resume=str(path), out=out), saved)
    planned = planning.plan_of(saved, machine)
    stop = threading.Event()
    with ready(request, planned, saved, progress, machine) as prepared:
        here = manifests.make_manifest(request, planned, prepared, machine)
        _check_inputs(manifest, here, trial)
        with folder_errors(folder), room(folder) as made, interruptible(stop):
            context = TrialContext(
                target=machine.target_of(trial.mode),
                prepared=prepared,
                raw=made / RAW,
                trace=saved.trace,
                say=lambda text: progress.detail(f"{key}: {text}"),
                should_stop=stop.is_set,
            )
            record = replace(run_trial(trial, context), machine=platform.node())
            try:
                keep(record, made, folder)
            except FileExistsError:
                return _same(key, record, folder)
    return Computed(path=folder, record=record, before=False)


def _planned(key: str, out: Path, plan: str | None) -> tuple[Path, Manifest, TrialSpec]:
    """The run that has ``key``: the one that was named, or the latest that does."""
    name = key.removesuffix(AGAIN)
    if plan is not None:
        runs = [find_run(plan, out)]
    else:
        runs = sorted((p.parent for p in out.glob(f"*/{MANIFEST}")), reverse=True)
    for path in runs:
        try:
            manifest = load_manifest(path)
        except BenchError:
            if plan is not None:
                raise
            continue  # one of another time, or of another program
        if trial := trials_by_key(manifest).get(name):
            return path.resolve(), manifest, trial
    where = str(runs[0]) if plan is not None else f"any run in {out}"
    raise UserError(
        f"{key!r:.200} is no key of {where}",
        f"put the plan's {MANIFEST} there in a folder, or name it with --plan",
    )


def _check_inputs(then: Manifest, now: Manifest, trial: TrialSpec) -> None:
    """Refuse to compute a trial from other inputs than its key's."""
    if key_of(then, trial) == key_of(now, trial):
        return
    others = "; ".join(other.line for other in other_inputs(then, now))
    begun = then.program_commit
    raise UserError(
        f"{trial.id}: {others or 'something'}: it would be another trial than the plan's",
        f"set up the plan's program (git checkout {begun}) and what it was made with",
    )


def _same(key: str, record: TrialRecord, folder: Path) -> Computed:
    """What another process has kept meanwhile, which must read the same."""
    there = load(folder)
    if record.failure is None and (difference := first_difference(there.record, record)):
        raise DataError(
            f"{key}: {there.machine} and {record.machine} computed different results: {difference}",
            "one of the two machines, or the program, is at fault: compute it once more on each",
        )
    return Computed(path=folder, record=there.record, before=True)
