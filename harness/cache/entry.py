# SPDX-License-Identifier: GPL-2.0-only
"""An entry of the cache: take it, or make it."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.cache.cache_places import delete, lock_file, scratch, write_whole
from harness.cache.disk_room import REMEDIES
from harness.cache.entry_record import FORMAT, RECORD, Facts, Record, load
from harness.cache.hashes import content_sha256
from harness.cache.locks import Say, hold, ignore, lock, release
from harness.errors import InfrastructureError


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A whole entry, held by this process."""

    path: Path
    record: Record
    cached: bool  # it was there already

    def part(self, name: str) -> Path | None:
        """The file or folder ``name`` of the entry, None where it has none."""
        return self.path / name if name in self.record.files else None


def take(path: Path) -> Entry | None:
    """The entry at ``path`` if it is whole and unchanged, held and marked as used now."""
    if not hold(path):
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
        hold(path)
    return Entry(path=path, record=record, cached=False)


def _make(path: Path, make: Callable[[Path], Facts], name: str) -> Record:
    """Make the entry at ``path`` in place of whatever is there. Only under its lock."""
    for leftover in scratch(path):
        delete(leftover)
    staging = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        staging.chmod(0o755)
        began = time.monotonic()
        facts = make(staging)
        record = _record(staging, path.name, name, time.monotonic() - began, facts)
        delete(path)
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
