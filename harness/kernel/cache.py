# SPDX-License-Identifier: GPL-2.0-only
"""A store of finished builds by content address, and the lock around making one.

An entry is a folder named by its key. It is made beside and renamed into place, with a
``build.json`` that lists the hash of every file; one that does not agree with its list
(cut short, edited, of an older format) is removed and made again.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import filelock
import msgspec

from harness.errors import InfrastructureError

FORMAT = 1
RECORD = "build.json"


@dataclass(frozen=True, kw_only=True)
class BuildRecord:
    """``build.json`` of an entry."""

    format: int
    key: str
    files: Mapping[str, str]  # path in the entry -> SHA-256; a folder's is over its files
    seconds: float  # wall time it took to make
    facts: Mapping[str, str | int | list[str]] = field(default_factory=dict)


def content_sha256(path: Path) -> str:
    """SHA-256 of a file, or of a folder's names, link targets and contents.

    Raises OSError when it cannot be read.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    total = hashlib.sha256()
    for entry in sorted(path.rglob("*")):
        name = entry.relative_to(path)
        if entry.is_symlink():
            total.update(f"{name}\0link {entry.readlink()}\n".encode())
        elif entry.is_file():
            total.update(f"{name}\0{content_sha256(entry)}\n".encode())
    return total.hexdigest()


def load(entry: Path) -> BuildRecord | None:
    """The record of a whole and unchanged entry, else None."""
    try:
        record = msgspec.json.decode((entry / RECORD).read_bytes(), type=BuildRecord)
    except (OSError, msgspec.DecodeError):
        return None
    if record.format != FORMAT or record.key != entry.name:
        return None
    for name, wanted in record.files.items():
        try:
            if not (entry / name).exists() or content_sha256(entry / name) != wanted:
                return None
        except OSError:
            return None
    return record


@contextmanager
def lock(path: Path, what: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock file ``path``; says so when another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    held = filelock.FileLock(path)
    try:
        held.acquire(timeout=0)
    except filelock.Timeout:
        say(f"{what}: waiting for another build to end")
        held.acquire()
    try:
        yield
    finally:
        held.release()


@contextmanager
def new_entry(store: Path, key: str) -> Iterator[Path]:
    """An empty folder to fill; it becomes the entry ``key`` when ``publish`` was called.

    Whatever is left of it is removed.
    """
    store.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(dir=store, prefix=".new-"))
    staging.chmod(0o755)
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def publish(
    staging: Path, key: str, seconds: float, facts: Mapping[str, str | int | list[str]]
) -> BuildRecord:
    """Write ``build.json`` and rename ``staging`` to ``key`` beside it.

    Raises InfrastructureError when it cannot be written.
    """
    final = staging.parent / key
    try:
        record = BuildRecord(
            format=FORMAT,
            key=key,
            files={p.name: content_sha256(p) for p in sorted(staging.iterdir())},
            seconds=round(seconds, 3),
            facts=facts,
        )
        (staging / RECORD).write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        if final.exists():
            shutil.rmtree(final)
        staging.rename(final)
    except OSError as error:
        raise InfrastructureError(
            f"{final} cannot be written ({error.strerror})", "free some space in the cache"
        ) from error
    return record


def sweep(store: Path) -> None:
    """Remove what killed builds left behind. Only under the lock."""
    for leftover in store.glob(".new-*"):
        shutil.rmtree(leftover, ignore_errors=True)
