# SPDX-License-Identifier: GPL-2.0-only
"""Captured output in place of a guest: a trial is read again, in no time and anywhere."""

from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UserError
from harness.guest.protocol import Stream
from harness.targets import trial_files
from harness.targets.target import INTERRUPTED, Ended, Payload


@dataclass(frozen=True, kw_only=True)
class RecordedTarget:
    """Gives back what trials gave.

    ``folder`` is the raw output of one trial, which then stands for every trial, or holds such
    folders by trial id, as the folder ``raw`` of a saved run does.
    """

    folder: Path

    def run(self, payload: Payload) -> Ended:
        """The captured output of the trial. Raises UserError where none was captured, DataError
        where it is damaged."""
        if payload.should_stop():
            return Ended(console=b"", channel=b"", returncode=None, stopped=INTERRUPTED)
        ended = trial_files.read(self._captured(payload.spec.id))
        for line in Stream().feed(ended.channel):
            payload.on_progress(line)
        if payload.model is None:
            return replace(ended, report=None, trace=None)
        return replace(ended, report=ended.report or b"")

    def _captured(self, trial: str) -> Path:
        for folder in (self.folder / trial, self.folder):
            if (folder / trial_files.CONSOLE).is_file():
                return folder
        raise UserError(
            f"{self.folder}: no output of trial {trial} in it",
            "give the folder raw of a saved run, or one trial's folder in it",
        )
