# SPDX-License-Identifier: GPL-2.0-only
"""Folders for what is needed only while something runs, and what killed processes left of them."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid
from pathlib import Path

ROOT = Path("/var/tmp")
"""On a disk: initramfs images and traces are large."""
PREFIX = "execmem-bench-"


@contextmanager
def scratch(root: Path = ROOT) -> Iterator[Path]:
    """A folder of this process, gone at the end. Its name says whose it is."""
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{getpid()}-", dir=root) as folder:
        yield Path(folder)


def sweep(root: Path = ROOT) -> int:
    """Remove folders whose process is no more; how many there were.

    One that cannot be removed, as another user's, stays.
    """
    removed = 0
    for folder in root.glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).partition("-")[0]
        if not owner.isdecimal() or Path(f"/proc/{owner}").exists():
            continue
        shutil.rmtree(folder, ignore_errors=True)
        removed += not folder.exists()
    return removed
