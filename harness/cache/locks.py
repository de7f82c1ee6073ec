# SPDX-License-Identifier: GPL-2.0-only
"""Who makes an entry, and who uses it: locks between processes."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

Say = Callable[[str], None]


def ignore(_: str) -> None:
    """The listener of a caller who wants no progress."""


_held: dict[Path, int] = {}
"""Entries that this process uses: path -> the open folder that carries the shared lock."""


def hold(path: Path) -> bool:
    """Hold the folder ``path`` until the process ends; whether it is there."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    # On a file system without locks nothing is held, and all else works.
    with contextlib.suppress(OSError):
        fcntl.flock(folder, fcntl.LOCK_SH)
    try:
        there = os.path.samestat(os.fstat(folder), path.stat())
    except OSError:
        there = False  # removed between the two
    before = _held.pop(path, None)
    if before is not None:
        os.close(before)
    if there:
        _held[path] = folder
    else:
        os.close(folder)
    return there


def release(path: Path) -> None:
    """Hold the entry at ``path`` no longer."""
    folder = _held.pop(path, None)
    if folder is not None:
        os.close(folder)


@contextmanager
def lock(path: Path, name: str, say: Say) -> Iterator[None]:
    """Hold the lock file ``path``; says so when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = filelock.FileLock(path)
    try:
        held.acquire(timeout=0)
    except filelock.Timeout:
        say(f"{name}: waiting for another process, which is making it")
        held.acquire()
    try:
        yield
    finally:
        held.release()


def locked(path: Path) -> bool:
    """Whether another process holds the lock file ``path``."""
    if not path.exists():
        return False
    try:
        with filelock.FileLock(path, timeout=0):
            return False
    except filelock.Timeout:
        return True


def held(path: Path) -> bool:
    """Whether a process holds the entry at ``path``; what is not a folder is held by none."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # a file system without locks
    finally:
        os.close(folder)
    return False
