# SPDX-License-Identifier: GPL-2.0-only
"""Measurements have the machine for themselves; trials in exact mode share it."""

import fcntl
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from harness.model.trial_settings import Mode
from harness.pipeline import Progress
from harness.pipeline.machine_lock import held_for

QUIET = Progress(quiet=True)


class Told(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []

    def say(self, text: str, *_: Any) -> None:
        self.lines.append(text)


def another(path: Path, how: int) -> int:
    """A lock as another process would have it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT)
    fcntl.flock(descriptor, how)
    return descriptor


@pytest.mark.parametrize(
    ("mode", "other", "waits"),
    [
        (Mode.EXACT, fcntl.LOCK_SH, ""),
        (Mode.EXACT, fcntl.LOCK_EX, "a measurement is under way on this machine: waiting"),
        (Mode.KVM, fcntl.LOCK_SH, "another run is under way on this machine: waiting"),
        (Mode.FAST, fcntl.LOCK_EX, "another run is under way on this machine: waiting"),
    ],
)
def test_who_waits_for_whom(tmp_path: Path, mode: Mode, other: int, waits: str) -> None:
    path, told = tmp_path / "lock", Told()
    held = another(path, other)
    began = threading.Event()

    def run() -> None:
        with held_for(mode, path, told):
            began.set()

    thread = threading.Thread(target=run)
    thread.start()
    if waits:
        while not told.lines:
            time.sleep(0.01)
        assert not began.is_set()
    os.close(held)
    thread.join(timeout=10)
    assert began.is_set()
    assert [line.startswith(waits) for line in told.lines] == ([True] if waits else [])


def test_it_is_free_afterwards_also_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def fail() -> None:
        with held_for(Mode.KVM, path, QUIET):
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        fail()
    os.close(another(path, fcntl.LOCK_EX | fcntl.LOCK_NB))


def test_a_lock_of_another_user_is_taken(tmp_path: Path) -> None:
    """Reading is enough."""
    path = tmp_path / "lock"
    path.touch(mode=0o444)
    with held_for(Mode.KVM, path, QUIET), pytest.raises(BlockingIOError):
        another(path, fcntl.LOCK_SH | fcntl.LOCK_NB)


def test_without_a_place_for_it_that_is_said(tmp_path: Path) -> None:
    told = Told()
    with held_for(Mode.KVM, tmp_path / "none" / "lock", told):
        pass
    assert told.lines == [
        f"no lock of this machine ({tmp_path}/none/lock: No such file or directory): "
        "run nothing beside it"
    ]
