# SPDX-License-Identifier: GPL-2.0-only
"""Results of a planned run, from wherever they are, as one run; two of one key must be equal."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness.analysis.same_result import first_difference
from harness.analysis.trial_keys import AGAIN, trials_by_key
from harness.errors import DataError, UserError
from harness.model.records import TrialRecord, TrialStatus
from harness.model.specs import TrialSpec
from harness.pipeline.keeping import keep_record
from harness.report import wording
from harness.store import find_run, folder_errors, resume_run
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


@dataclass
class _Tally:
    """Keys by what became of them, as they are gone through."""

    missing: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    verified: list[str] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    added: int = 0


def _collect(run: Run, records: Sequence[TrialRecord], folders: Sequence[Path]) -> Collected:
    tally = _Tally()
    known = {record.trial: record for record in records}
    keys = trials_by_key(run.manifest)
    for key, trial in keys.items():
        _collect_key(key, trial, known.get(trial.id), run, folders, tally)
    if tally.unequal:
        raise DataError(
            "; ".join(tally.unequal),
            "one of the two machines, or the program, is at fault: compute it once more on each",
        )
    return Collected(
        path=run.path,
        trials=len(keys),
        added=tally.added,
        missing=tuple(tally.missing),
        failed=tuple(tally.failed),
        verified=tuple(tally.verified),
        alone=tuple(tally.alone),
        damaged=tuple(tally.damaged),
    )


def _collect_key(
    key: str,
    trial: TrialSpec,
    known: TrialRecord | None,
    run: Run,
    folders: Sequence[Path],
    tally: _Tally,
) -> None:
    """One key: ``known`` is what the run has of it."""
    copies = list(_copies(key, trial, run, folders, tally.damaged))
    good = [copy for copy in copies if copy.record.status is TrialStatus.OK]
    done = known if known is not None and known.status is TrialStatus.OK else None
    if problem := _first_unequal(key, good, done):
        tally.unequal.append(problem)
        return
    if len({copy.record.machine for copy in good}) > 1:
        tally.verified.append(key)
    elif len(good) > 1 and any(copy.path.name.endswith(AGAIN) for copy in good):
        tally.alone.append(key)
    if done is not None:
        return
    if not good:
        (tally.failed if copies or known else tally.missing).append(key)
    if good or (copies and known is None):
        _take((good or copies)[0], run)
        tally.added += 1


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
