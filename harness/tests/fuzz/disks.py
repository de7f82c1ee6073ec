# SPDX-License-Identifier: GPL-2.0-only
"""Small real file systems on loop devices."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import proc


def make(image: Path, kib: int, inodes: int) -> None:
    """An empty ext4 of ``kib`` KiB in the file ``image``."""
    proc.run(["truncate", "-s", f"{kib}K", str(image)])
    proc.run(["mkfs.ext4", "-q", "-m", "0", "-N", str(inodes), str(image)])


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """What is in ``image``, at ``folder``. Needs root."""
    folder.mkdir(exist_ok=True)
    proc.run(["mount", "-o", "loop", str(image), str(folder)])
    try:
        yield folder
    finally:
        proc.run(["umount", str(folder)])
