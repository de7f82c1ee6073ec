# SPDX-License-Identifier: GPL-2.0-only
"""Room on the disk, and what to do about errors of the file system."""

import errno
import shutil
from collections.abc import Mapping
from pathlib import Path

from harness.errors import PrerequisiteError

REMEDY_ROOM = (
    "free some, as `execmem-bench cache --prune` does, or set EXECMEM_BENCH_CACHE to a folder on "
    "a larger disk"
)


_NOT_WRITABLE = "set EXECMEM_BENCH_CACHE to a folder that you may write to"


REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: REMEDY_ROOM,
    errno.EDQUOT: REMEDY_ROOM,
    errno.EACCES: _NOT_WRITABLE,
    errno.EPERM: _NOT_WRITABLE,
    errno.EROFS: _NOT_WRITABLE,
}
"""What to do about an error of the file system, by its number."""


def size(count: int) -> str:
    """``count`` bytes as people read them on disks: ``4.1 GB``, ``290 MB``, ``12 kB``."""
    for unit, step in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if count >= step:
            return f"{count / step:.{0 if count >= 10 * step else 1}f} {unit}"
    return f"{count} B"


def require_room(folder: Path, needed: int, purpose: str) -> None:
    """Raises PrerequisiteError when less than ``needed`` bytes are free at ``folder``."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise PrerequisiteError(
            f"{folder}: {size(free)} free, {size(needed)} needed to {purpose}", REMEDY_ROOM
        )
