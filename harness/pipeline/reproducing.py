# SPDX-License-Identifier: GPL-2.0-only
"""A saved run again, and whether it reads the same."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.analysis.other_inputs import OtherInput, other_inputs
from harness.analysis.replicates import first_changed_reading
from harness.errors import UserError
from harness.model.reading import Source
from harness.model.records import TrialStatus
from harness.model.trial_settings import Mode
from harness.pipeline.machine import Machine
from harness.pipeline.planning import RunRequest
from harness.pipeline.progress import Progress
from harness.pipeline.run import run
from harness.report import wording
from harness.store import find_run, load_run


@dataclass(frozen=True, kw_only=True)
class TrialAgain:
    """One trial. ``difference`` is "" where every reading is equal."""

    trial: str
    readings: int
    difference: str


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What came of a run that was run again."""

    run: str
    again: Path
    trials: tuple[TrialAgain, ...]
    inputs: tuple[OtherInput, ...]
    interrupted: bool

    @property
    def equal(self) -> bool:
        """Every reading of every trial is what it was."""
        return not self.interrupted and not any(trial.difference for trial in self.trials)

    @property
    def lines(self) -> tuple[str, ...]:
        """What came of it, in words."""
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        count = sum(trial.readings for trial in self.trials)
        trials = wording.plural(len(self.trials), "trial")
        for one in self.inputs:
            yield f"differs: {one.line}"
        if self.equal:
            yield f"{self.run}: {trials}, {count:,} readings: every one equal"
            return
        for trial in self.trials:
            if trial.difference:
                yield f"{trial.trial}: {trial.difference}"
        wrong = sum(bool(trial.difference) for trial in self.trials)
        why = "" if self.inputs else "; no input differs: a fault of this machine or the program"
        yield f"{self.run}: {wrong} of {trials} differ{why}"


def reproduce(
    name: str,
    out: Path,
    progress: Progress,
    *,
    jobs: int | None = None,
    machine: Machine | None = None,
) -> Reproduction:
    """Run the trials of the saved run ``name`` again, to a new run in ``out``, and compare them.

    Raises UserError for a run of another mode than exact, whose values have noise, and the
    errors of ``run``.
    """
    path = find_run(name, out)
    saved = load_run(path)
    if any(trial.mode is not Mode.EXACT for trial in saved.manifest.trials):
        raise UserError(
            f"run {saved.manifest.run} was not made in exact mode: its values have noise",
            "compare a new run with it instead",
        )
    outcome = run(RunRequest(again=str(path), out=out, jobs=jobs), progress, machine)
    made = load_run(outcome.path)
    before = {r.trial: r for r in saved.records if r.status is TrialStatus.OK}
    after = {record.trial: record for record in made.records}
    trials = []
    for trial, old in before.items():
        new = after.get(trial)
        if new is None:
            difference = "not run again"
        elif new.failure is not None:
            difference = f"failed: {new.failure.kind}: {new.failure.message}"
        else:
            difference = first_changed_reading(old, new)
        read = sum(reading.source is not Source.HOST for reading in old.readings)
        trials.append(TrialAgain(trial=trial, readings=read, difference=difference))
    return Reproduction(
        run=saved.manifest.run,
        again=outcome.path,
        trials=tuple(trials),
        inputs=other_inputs(saved.manifest, made.manifest),
        interrupted=outcome.interrupted,
    )


def reproduction_json(again: Reproduction) -> str:
    """``again`` as a JSON document."""
    document = msgspec.to_builtins(again, enc_hook=str)
    return json.dumps({**document, "equal": again.equal}, indent=2)
