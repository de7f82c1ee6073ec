# SPDX-License-Identifier: GPL-2.0-only
"""The cache: everything that is built or downloaded is kept here, in one way.

An entry is a folder ``<kind>/<key>``. It is made beside its place, under the lock of its key,
and renamed to it, with a ``build.json`` that lists the hash of every file. An entry that does
not agree with its list (cut short, edited, of an older format) is removed and made again.
Whoever takes an entry holds it until the process ends, and nothing removes it meanwhile.

Names in the folder of a kind: ``<key>``, ``<key>.lock`` (empty, stays), and, only while the
lock is held, ``.<key>.<suffix>``: what is being made or removed.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import filelock
import msgspec

from harness.errors import InfrastructureError, PrerequisiteError

FORMAT = 1
RECORD = "build.json"

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

Say = Callable[[str], None]
Facts = Mapping[str, str | int | list[str]]


class Kind(StrEnum):
    """What is kept, by the name of its folder below the cache."""

    KERNELS = "kernels"
    BENCH = "bench"
    SELFTESTS = "selftests"
    PACKAGES = "packages"  # kernels of the user's, unpacked
    MODULES = "modules"  # of the user's built trees
    DEBIAN = "debian"  # downloads from a newer release
    IMAGES = "images"  # layers of the guest image
    PLUGINS = "plugins"  # the model's plugin and replay driver
    PROGRAMS = "programs"  # C programs of workloads


WORK_TREES = "kernel-build"
"""Folder of unpacked sources with their output trees; each has ``<name>.lock`` beside it."""

CCACHE = "ccache"
"""Folder of ccache's own store."""


def ignore(_: str) -> None:
    """The listener of a caller who wants no progress."""


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of ``data``, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(path: Path) -> str:
    """SHA-256 of a file, or of a folder's names, link targets and contents.

    Raises OSError when it cannot be read.
    """
    if path.is_file():
        return sha256_file(path)
    total = hashlib.sha256()
    for entry in sorted(path.rglob("*")):
        name = entry.relative_to(path)
        if entry.is_symlink():
            total.update(f"{name}\0link {entry.readlink()}\n".encode())
        elif entry.is_file():
            total.update(f"{name}\0{sha256_file(entry)}\n".encode())
    return total.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Record:
    """``build.json`` of an entry."""

    format: int
    key: str
    files: Mapping[str, str]  # path in the entry -> SHA-256; a folder's is over its files
    seconds: float  # wall time it took to make
    facts: Facts = field(default_factory=dict)
    name: str = ""  # what it is, for people; "" in entries made before there were names


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A whole entry, held by this process."""

    path: Path
    record: Record
    cached: bool  # it was there already

    def part(self, name: str) -> Path | None:
        """The file or folder ``name`` of the entry, None where it has none."""
        return self.path / name if name in self.record.files else None


def read_record(path: Path) -> Record | None:
    """The record of the entry at ``path``, whose files are not looked at; None: no entry."""
    try:
        record = msgspec.json.decode((path / RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None
    return record if record.format == FORMAT and record.key == path.name else None


def load(path: Path) -> Record | None:
    """The record of a whole and unchanged entry, else None."""
    record = read_record(path)
    if record is None:
        return None
    for name, wanted in record.files.items():
        try:
            if not (path / name).exists() or content_sha256(path / name) != wanted:
                return None
        except OSError:
            return None
    return record


def last_used(path: Path) -> float:
    """When the entry at ``path`` was last made or taken, in seconds of the epoch."""
    return (path / RECORD).stat().st_mtime


_held: dict[Path, int] = {}
"""Entries that this process uses: path -> the open folder that carries the shared lock."""


def _hold(path: Path) -> bool:
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


def take(path: Path) -> Entry | None:
    """The entry at ``path`` if it is whole and unchanged, held and marked as used now."""
    if not _hold(path):
        return None
    record = load(path)
    if record is None:
        release(path)
        return None
    # A cache that may only be read serves as well.
    with contextlib.suppress(OSError):
        os.utime(path / RECORD)
    return Entry(path=path, record=record, cached=True)


def get_or_make(
    store: Path,
    key: str,
    make: Callable[[Path], Facts],
    *,
    name: str,
    say: Say = ignore,
    site: Path | None = None,
) -> Entry:
    """The entry ``key`` of ``store``; ``make`` fills an empty folder with it where it is absent
    or damaged, and returns facts worth keeping.

    ``name`` is what it is, for people; ``site`` the work tree that ``make`` needs for itself.
    Raises what ``make`` raises, OSError as InfrastructureError; nothing is left of an entry that
    could not be made.
    """
    path = store / key
    if (entry := take(path)) is not None:
        return entry
    with _writing(path), lock(lock_file(path), name, say):
        if (entry := take(path)) is not None:
            return entry
        if os.path.lexists(path):
            say(f"{name}: {path} is damaged or of an older format; it is made again")
        with lock(lock_file(site), name, say) if site is not None else contextlib.nullcontext():
            record = _make(path, make, name)
        _hold(path)
    return Entry(path=path, record=record, cached=False)


def _make(path: Path, make: Callable[[Path], Facts], name: str) -> Record:
    """Make the entry at ``path`` in place of whatever is there. Only under its lock."""
    for leftover in scratch(path):
        _delete(leftover)
    staging = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        staging.chmod(0o755)
        began = time.monotonic()
        facts = make(staging)
        record = _record(staging, path.name, name, time.monotonic() - began, facts)
        _delete(path)
        staging.rename(path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return record


def enrol(path: Path, name: str) -> None:
    """Make an entry of the folder ``path``, which is known to be whole, as it is."""
    with _writing(path), lock(lock_file(path), name, ignore):
        if path.is_dir() and not (path / RECORD).exists():
            _record(path, path.name, name, 0, {})


def _record(folder: Path, key: str, name: str, seconds: float, facts: Facts) -> Record:
    """Write the record of what is in ``folder``."""
    record = Record(
        format=FORMAT,
        key=key,
        files={p.name: content_sha256(p) for p in sorted(folder.iterdir())},
        seconds=round(seconds, 3),
        facts=facts,
        name=name,
    )
    write_whole(folder / RECORD, msgspec.json.format(msgspec.json.encode(record)) + b"\n")
    return record


PARTIAL = ".partial"
"""Ends the name of a file that is being written."""


def write_whole(path: Path, data: bytes, like: Path | None = None) -> None:
    """Give ``path`` the content ``data`` in one step, with the permissions of ``like``."""
    partial = path.with_name(path.name + PARTIAL)
    partial.write_bytes(data)
    if like is not None:
        shutil.copymode(like, partial)
    partial.rename(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn an OSError into one line about ``path``, which is being made."""
    try:
        yield
    except OSError as error:
        place = f", {error.filename}" if error.filename else ""
        raise InfrastructureError(
            f"{path} cannot be made ({error.strerror or error}{place})",
            REMEDIES.get(error.errno or 0, ""),
        ) from error


def lock_file(path: Path) -> Path:
    """The lock of the entry or work tree at ``path``."""
    return path.with_name(f"{path.name}.lock")


def scratch(path: Path) -> tuple[Path, ...]:
    """What is being made or removed at ``path``, or was when a process was killed."""
    return tuple(
        other
        for other in path.parent.glob(".*")
        if other.name.rpartition(".")[0] == f".{path.name}"
    )


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
    """Whether a process holds the entry at ``path``; what is no folder is held by none."""
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
                _delete(gone)
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
        return path  # no entry: nobody holds it, and what is left of it is no entry either
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        gone = path.with_name(f".{path.name}.gone")
        _delete(gone)
        path.rename(gone)
    except BlockingIOError:
        return None
    finally:
        os.close(folder)
    return gone


def _delete(path: Path) -> None:
    """Remove the file, link or folder ``path``, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


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
