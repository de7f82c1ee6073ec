# SPDX-License-Identifier: GPL-2.0-only
"""Files that are still there when the power has gone."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` survive a crash of the machine. Raises OSError."""
    _sync(folder)


def sync_tree(folder: Path) -> None:
    """Make all that is in ``folder``, and its own name, survive a crash of the machine.

    Raises OSError.
    """
    for at, _, names in os.walk(folder):
        for name in names:
            _sync(Path(at, name))
        _sync(Path(at))
    _sync(folder.parent)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
