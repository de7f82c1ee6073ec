# SPDX-License-Identifier: GPL-2.0-only
"""Results of a planned run, from wherever they are, as one run; two of one key must be equal."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.analysis.same_result import first_difference
from harness.analysis.trial_keys import AGAIN, trials_by_key
from harness.errors import DataError, UserError
from harness.model.records import TrialRecord, TrialStatus
from harness.model.specs import TrialSpec
from harness.pipeline.keeping import keep_record
from harness.report import wording
from harness.store import done_trials, find_run, folder_errors, resume_run
from harness.store.run_folder import Run
from harness.store.trial_folder import (
    TRIALS,
    KeptTrial,
    copy_raw,
    first_changed_file,
    load,
)
from harness.targets.trial_files import END


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What a run has now. ``missing``: keys without a result; ``failed``: with no good one."""

    path: Path
    trials: int
    added: int
    missing: tuple[str, ...]
    failed: tuple[str, ...]
    verified: tuple[str, ...]  # keys that two machines computed, to the same bytes
    alone: tuple[str, ...]  # computed twice, but not by two machines
    damaged: tuple[str, ...]  # what was not taken, and why

    @property
    def whole(self) -> bool:
        """Every trial has a good result."""
        return not self.missing and not self.failed

    @property
    def document(self) -> dict[str, object]:
        """As JSON has it."""
        return {**asdict(self), "path": str(self.path), "whole": self.whole}

    @property
    def lines(self) -> Iterator[str]:
        """What came of it, in words."""
        there = self.trials - len(self.missing) - len(self.failed)
        yield f"{there} of {wording.plural(self.trials, 'trial')} in {self.path}, {self.added} new"
        if self.verified:
            trials = wording.plural(len(self.verified), "trial")
            yield f"{trials} computed by two machines: equal to the byte"
        for key in self.alone:
            yield f"{key}: computed twice by one machine: nothing is verified by that"
        for line in self.damaged:
            yield f"not taken: {line}"
        for key in self.failed:
            yield f"{key}: failed"
        for key in self.missing:
            yield f"{key}: missing"


def collect(name: str, folders: Sequence[Path], out: Path) -> Collected:
    """Put results from the run's own folder and from ``folders`` into the run ``name``.

    A folder has trials' folders in it, or is a folder of runs or a run. Nothing is computed; what
    is in the run stays. Raises DataError, once all that agrees is kept, for results of
    one key that are not the same, naming both machines; UserError for a folder that is none.
    """
    path = find_run(name, out).resolve()
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder", "give a folder with trials' results")
    run, records, _ = resume_run(path)
    with run:
        return _collect(run, records, [path, *folders])


def _collect(run: Run, records: Sequence[TrialRecord], folders: Sequence[Path]) -> Collected:
    done = done_trials(records)
    known = {record.trial: record for record in records}
    sorted_: dict[str, list[str]] = {"missing": [], "failed": [], "verified": [], "alone": []}
    damaged: list[str] = []
    problems: list[str] = []
    added = 0
    keys = trials_by_key(run.manifest)
    for key, trial in keys.items():
        copies = list(_copies(key, trial, run, folders, damaged))
        good = [copy for copy in copies if copy.record.status is TrialStatus.OK]
        problem = _first_unequal(key, good, known.get(trial.id) if trial.id in done else None)
        if problem:
            problems.append(problem)
            continue
        if len({copy.record.machine for copy in good}) > 1:
            sorted_["verified"].append(key)
        elif any(copy.path.name.endswith(AGAIN) for copy in good) and len(good) > 1:
            sorted_["alone"].append(key)
        if trial.id in done:
            continue
        if not good:
            sorted_["failed" if copies or trial.id in known else "missing"].append(key)
        if good or (copies and trial.id not in known):
            _take((good or copies)[0], run)
            added += 1
    if problems:
        raise DataError(
            "; ".join(problems),
            "one of the two machines, or the program, is at fault: compute it once more on each",
        )
    return Collected(
        path=run.path,
        trials=len(keys),
        added=added,
        damaged=tuple(damaged),
        **{name: tuple(found) for name, found in sorted_.items()},
    )


def _copies(
    key: str, trial: TrialSpec, run: Run, folders: Sequence[Path], damaged: list[str]
) -> Iterator[KeptTrial]:
    """Every result of ``key`` in ``folders``, each once; those that are not whole go to
    ``damaged``."""
    seen: set[Path] = set()
    for folder in folders:
        for base in (folder, folder / TRIALS, folder / run.path.name / TRIALS):
            for place in (base / key, base / f"{key}{AGAIN}"):
                if not place.is_dir() or place.resolve() in seen:
                    continue
                seen.add(place.resolve())
                try:
                    copy = load(place)
                except DataError as error:
                    damaged.append(str(error))
                    continue
                if copy.record.spec != trial or copy.record.trial != trial.id:
                    raise DataError(
                        f"{place}: it is a result of another trial than its key's",
                        "remove the folder",
                    )
                yield copy


def _first_unequal(key: str, good: Sequence[KeptTrial], kept: TrialRecord | None) -> str:
    """Which results of ``key`` are not the same, as a sentence; "" if none."""
    for copy in good:
        first = good[0]
        record = kept or first.record
        difference = first_difference(record, copy.record) or first_changed_file(first, copy, END)
        if difference:
            machine = record.machine or "the run itself"
            return f"{key}: {machine} and {copy.machine} computed different results: {difference}"
    return ""


def _take(copy: KeptTrial, run: Run) -> None:
    """Raw output first, so that a record that is in the run has it."""
    with folder_errors(run.path, run.kept):
        raw = run.path / "raw"
        raw.mkdir(exist_ok=True)
        copy_raw(copy, raw / copy.record.trial)
    keep_record(run, copy.record)
