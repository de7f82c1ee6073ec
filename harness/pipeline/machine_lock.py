# SPDX-License-Identifier: GPL-2.0-only
"""One measurement at a time on a machine, whoever starts it and wherever it writes.

Trials whose values have noise take the machine for themselves; those in exact mode, which
nothing disturbs, share it, and keep such a measurement waiting.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.model.trial_settings import Mode
from harness.pipeline.progress import Progress

LOCK = Path("/run/lock/execmem-bench")
"""Every user can make a file there, and it goes with the boot."""


@contextmanager
def held_for(mode: Mode, path: Path, progress: Progress) -> Iterator[None]:
    """Hold the machine as trials of ``mode`` need it; waits, and says so, while another run does
    not allow it. The lock goes with the process. Where there can be none, that is said."""
    try:
        descriptor = _open(path)
    except OSError as error:
        progress.say(f"no lock of this machine ({path}: {error.strerror}): run nothing beside it")
        yield
        return
    try:
        how = fcntl.LOCK_SH if mode is Mode.EXACT else fcntl.LOCK_EX
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            other = "a measurement" if mode is Mode.EXACT else "another run"
            progress.say(f"{other} is under way on this machine: waiting until it ends")
            fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """For reading, which is enough to lock, and so also another user's."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
