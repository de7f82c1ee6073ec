# SPDX-License-Identifier: GPL-2.0-only
"""A night: run the suite, or finish the run that was interrupted; history, site, exports; prune."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from harness.cache import size
from harness.errors import BenchError, PrerequisiteError, UserError
from harness.model.records import Manifest
from harness.paths import cache_dir
from harness.pipeline import checkout, earlier_program
from harness.pipeline.caching import DAYS, prune, survey
from harness.pipeline.history_view import FolderHistory, folder_history
from harness.pipeline.machine import Machine
from harness.pipeline.planning import RunRequest
from harness.pipeline.progress import Progress
from harness.pipeline.run import RunOutcome, run
from harness.pipeline.site import write_site
from harness.pipeline.views import export
from harness.report import wording
from harness.report.exports import FILE_NAMES
from harness.report.history_text import headline
from harness.store import done_trials, folder_errors, load_run
from harness.store.loading import MANIFEST

LOCK = ".nightly.lock"
SITE = "site"
"""Folder of the site, below that of the runs, unless another one is named."""


@dataclass(frozen=True, kw_only=True)
class NightRequest:
    """What a night does beside running the suite."""

    run: RunRequest
    site: Path | None = None  # None: SITE below the runs
    exports: Sequence[str] = ()  # formats, each a file in the run's folder
    textfile: Path | None = None  # folder of node_exporter's textfile collector
    prune_days: int = DAYS  # of the cache


@dataclass(frozen=True, kw_only=True)
class NightOutcome:
    """How a night went."""

    outcome: RunOutcome
    resumed: bool
    shown: FolderHistory
    index: Path
    freed: int  # bytes taken out of the cache
    seconds: float

    @property
    def line(self) -> str:
        """The night in one line, for the journal."""
        trials = wording.plural(self.outcome.done, "trial")
        failed = f", {self.outcome.failed} failed" if self.outcome.failed else ""
        how = "interrupted" if self.outcome.interrupted else "bad" if self.shown.bad else "good"
        again = ", resumed" if self.resumed else ""
        return (
            f"night {how}: {self.outcome.path.name}: {trials}{failed}{again} in "
            f"{self.seconds / 60:.0f} min; {headline(self.shown.history).text}; {self.index}; "
            f"cache: {size(self.freed)} freed"
        )


def nightly(
    request: NightRequest, progress: Progress, machine: Machine | None = None
) -> NightOutcome:
    """One night in the folder of ``request``. Raises PrerequisiteError where another one runs
    there, and the errors of the stages; what was measured before is kept."""
    began = time.monotonic()
    root = request.run.out
    with _alone(root):
        outcome, resumed = _run(request.run, progress, machine)
        _export(request.exports, outcome.path)
        if request.textfile is not None:
            _to_textfile(request.textfile, outcome.path)
        shown = folder_history(root, request.run.suite)
        index = write_site(shown, root, request.site or root / SITE)
        freed = _pruned(request.prune_days)
    return NightOutcome(
        outcome=outcome,
        resumed=resumed,
        shown=shown,
        index=index,
        freed=freed,
        seconds=time.monotonic() - began,
    )


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Two nights never meet: the lock goes with the process that has it."""
    with folder_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(root / LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise PrerequisiteError(
                f"{root}: another night is running there", "wait until it ends"
            ) from None
    try:
        yield
    finally:
        lock.release()


def _run(
    request: RunRequest, progress: Progress, machine: Machine | None
) -> tuple[RunOutcome, bool]:
    """The run of tonight, and whether it is one that was interrupted before."""
    left = unfinished(request.out, request.suite)
    if left is not None and earlier_program.needed(left.program_commit):
        # Tonight is about tonight's program; `run --resume` ends the other one.
        progress.say(f"run {left.run} was interrupted, of an earlier program: starting a new one")
    elif left is not None:
        progress.say(f"run {left.run} was interrupted: going on with it")
        again = RunRequest(resume=left.run, out=request.out, jobs=request.jobs)
        try:
            return run(again, progress, machine), True
        except UserError as error:
            progress.say(f"{error.message}: starting a new one")
    return run(request, progress, machine), False


def unfinished(root: Path, suite: str | None) -> Manifest | None:
    """The newest run of ``suite`` in ``root`` if some of its trials never ended; one whose trials
    failed did end."""
    for manifest in sorted(root.glob(f"*/{MANIFEST}"), reverse=True):
        try:
            loaded = load_run(manifest.parent)
        except BenchError:
            continue
        if suite in (None, loaded.manifest.suite):
            ended = {record.trial for record in loaded.records} | done_trials(loaded.records)
            missing = any(trial.id not in ended for trial in loaded.manifest.trials)
            return loaded.manifest if missing else None
    return None


def _pruned(days: int) -> int:
    """Bytes taken out of the cache."""
    root = cache_dir()
    contents = survey(root, checkout.current(root, os.environ.get("KERNEL_SRC") or None))
    return sum(item.bytes for item in prune(contents, days=days, dry_run=False).removed)


def _export(formats: Sequence[str], folder: Path) -> None:
    for form in formats:
        with folder_errors(folder):
            path = folder / FILE_NAMES[form]
            path.write_text(export(str(folder), form), encoding="utf-8")


TEXTFILE = "execmem_bench.prom"


def _to_textfile(folder: Path, run: Path) -> None:
    """In one step: the collector must never read half a file."""
    with folder_errors(folder):
        partial = folder / f".{TEXTFILE}.{os.getpid()}"
        partial.write_text(export(str(run), "textfile"), encoding="utf-8")
        partial.replace(folder / TEXTFILE)
