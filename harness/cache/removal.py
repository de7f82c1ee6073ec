# SPDX-License-Identifier: GPL-2.0-only
"""Removing what is in the cache."""

import contextlib
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import filelock

from harness.cache.cache_places import delete
from harness.errors import InfrastructureError


def remove(path: Path, guards: Sequence[Path]) -> bool:
    """Remove what is at ``path`` unless one of ``guards``, its lock files, or itself is held.

    Returns whether it is gone. A process killed meanwhile leaves nothing that looks whole.
    Raises InfrastructureError when it cannot be removed.
    """
    try:
        with contextlib.ExitStack() as locks:
            for guard in guards:
                locks.enter_context(filelock.FileLock(guard, timeout=0))
            gone = _aside(path)
            if gone is not None:
                delete(gone)
            return gone is not None
    except filelock.Timeout:
        return False
    except OSError as error:
        raise InfrastructureError(
            f"{path} cannot be removed ({error.strerror or error})", "remove it by hand"
        ) from error


def _aside(path: Path) -> Path | None:
    """Rename ``path`` to a name that no reader knows; None where a process holds it."""
    if path.is_symlink() or not path.is_dir() or path.name.startswith("."):
        return path  # no entry: nobody holds it, and what is left of it is not an entry either
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        gone = path.with_name(f".{path.name}.gone")
        delete(gone)
        path.rename(gone)
    except BlockingIOError:
        return None
    finally:
        os.close(folder)
    return gone
