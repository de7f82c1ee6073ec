# SPDX-License-Identifier: GPL-2.0-only
"""Writing initramfs archives (cpio "newc") so that equal content gives equal bytes.

Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
"""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK = 4
COPY = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One member. ``data`` (bytes in memory) or ``source`` (a file) for regular files;
    ``data`` is the target of a symlink; ``rdev`` is (major, minor) of a device node."""

    name: str  # relative, no leading slash
    mode: int
    data: bytes = b""
    source: Path | None = None
    rdev: tuple[int, int] = (0, 0)


def directory(name: str, mode: int = 0o755) -> Entry:
    """A folder."""
    return Entry(name=name, mode=stat.S_IFDIR | mode)


def regular(name: str, data: bytes, mode: int = 0o644) -> Entry:
    """A file with ``data``."""
    return Entry(name=name, mode=stat.S_IFREG | mode, data=data)


def parents(names: Iterable[str]) -> list[Entry]:
    """The folders above ``names``, outermost first."""
    folders = {str(p) for name in names for p in Path(name).parents if str(p) != "."}
    return [directory(name) for name in sorted(folders)]


def from_tree(root: Path, keep: Iterable[str] | None = None, prefix: str = "") -> list[Entry]:
    """Everything below ``root`` (or the relative names in ``keep``) as entries.

    Owner, times and inode numbers are dropped; permissions stay. Sockets and fifos are
    left out.
    """
    names = sorted(keep) if keep is not None else sorted(_walk(root))
    out = []
    for name in names:
        path = root / name
        info = path.lstat()
        if stat.S_ISLNK(info.st_mode):
            entry = Entry(
                name=prefix + name, mode=stat.S_IFLNK | 0o777, data=str(path.readlink()).encode()
            )
        elif stat.S_ISREG(info.st_mode):
            entry = Entry(name=prefix + name, mode=info.st_mode, source=path)
        elif stat.S_ISDIR(info.st_mode):
            entry = Entry(name=prefix + name, mode=info.st_mode)
        elif stat.S_ISCHR(info.st_mode) or stat.S_ISBLK(info.st_mode):
            entry = Entry(
                name=prefix + name,
                mode=info.st_mode,
                rdev=(os.major(info.st_rdev), os.minor(info.st_rdev)),
            )
        else:
            continue
        out.append(entry)
    return out


def _walk(root: Path) -> Iterable[str]:
    for folder, dirs, files in os.walk(root):
        for name in (*dirs, *files):
            yield str((Path(folder) / name).relative_to(root))


def write(entries: Iterable[Entry], out: BinaryIO) -> None:
    """Write ``entries`` in the order given, and the trailer. Raises OSError."""
    for number, entry in enumerate(entries, start=1):
        size = entry.source.stat().st_size if entry.source else len(entry.data)
        _header(out, entry, number, size)
        if entry.source:
            with entry.source.open("rb") as file:
                while chunk := file.read(COPY):
                    out.write(chunk)
        else:
            out.write(entry.data)
        out.write(b"\0" * (-size % BLOCK))
    _header(out, Entry(name="TRAILER!!!", mode=0), 0, 0)


def _header(out: BinaryIO, entry: Entry, inode: int, size: int) -> None:
    name = entry.name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, size, 0, 0, *entry.rdev, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    out.write(header + name)
    out.write(b"\0" * (-(len(header) + len(name)) % BLOCK))
