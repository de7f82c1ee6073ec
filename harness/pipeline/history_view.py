# SPDX-License-Identifier: GPL-2.0-only
"""The history of a folder of runs, and what the command line makes of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.text import Text

from harness.analysis.history import History, history, regressions
from harness.errors import BenchError, UserError
from harness.report import consoles
from harness.report.history_text import lines
from harness.report.screen import TONES
from harness.store import load_run
from harness.store.loading import MANIFEST, LoadedRun


@dataclass(frozen=True, kw_only=True)
class FolderHistory:
    """The history of a folder. ``problems``: runs that could not be read, and torn ones."""

    history: History
    problems: tuple[str, ...]
    runs: tuple[LoadedRun, ...]  # oldest first, as the nights of the history

    @property
    def bad(self) -> bool:
        """The last night has something that became worse, changed without a cause or failed, or
        nothing of it could be compared: no sample is no pass."""
        last = self.history.last
        steps = self.history.of(last.run)
        faults = any(step.fault for step in steps)
        before = any(night.trials for night in self.history.nights[:-1])
        nothing = before and not last.compared and not last.measured
        return bool(regressions(steps)) or faults or nothing or last.failed > 0


def refuse_empty(shown: FolderHistory) -> None:
    """Raise UserError where no trial of any night has a result: no sample is no pass."""
    if not any(night.trials for night in shown.history.nights):
        raise UserError("no trial with a result in these runs", "give a folder of runs")


def folder_history(root: Path, suite: str | None = None) -> FolderHistory:
    """The history of the runs in ``root``, of one ``suite`` where it is named.

    A run that cannot be read is a problem, not the end. Raises UserError without any run.
    """
    problems: list[str] = []
    runs = list(_runs(root, suite, problems))
    if not runs:
        of_suite = f" of suite {suite!r}" if suite else ""
        raise UserError(f"{root}: no run{of_suite} in it", "give the folder of the runs (--out)")
    ordered = sorted(runs, key=lambda run: (run.manifest.created, run.manifest.run))
    return FolderHistory(history=history(runs), problems=tuple(problems), runs=tuple(ordered))


def _runs(root: Path, suite: str | None, problems: list[str]) -> Iterator[LoadedRun]:
    for manifest in sorted(root.glob(f"*/{MANIFEST}")):
        try:
            run = load_run(manifest.parent)
        except BenchError as error:
            problems.append(str(error))
            continue
        if suite in (None, run.manifest.suite):
            problems += run.problems
            yield run


def show_history(shown: FolderHistory, *, full: bool, as_json: bool) -> None:
    """Print ``shown``."""
    if as_json:
        document = {"history": shown.history, "problems": shown.problems, "bad": shown.bad}
        print(msgspec.json.encode(document, enc_hook=str).decode())
        return
    console = consoles.output()
    for line in lines(shown.history, full=full):
        style = "bold" if line.tone == "strong" else TONES[line.tone]
        console.print(Text("  " * line.depth + line.text, style=style))
    for problem in shown.problems:
        console.print(Text(f"problem: {problem}", style="red"))
