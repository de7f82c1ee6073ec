# SPDX-License-Identifier: GPL-2.0-only
"""Writing a run: ``manifest.json`` first and whole, then one line per trial as it ends.

Whatever happens (a crash, a full disk, Ctrl-C), every record whose ``append`` returned
is on the disk and can be read back.
"""

import errno
import fcntl
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields as dataclass_fields
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from harness.durable import sync_folder
from harness.errors import DataError, InfrastructureError, PrerequisiteError, UserError
from harness.model.records import Manifest, TrialRecord
from harness.store.loading import MANIFEST, RECORDS, load_run

_FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}


@contextmanager
def folder_errors(folder: Path, kept: str = "") -> Iterator[None]:
    """Turn a full disk or a folder that cannot be written into a one-line error.

    ``kept`` says what of the run is safe. Raises PrerequisiteError for a full disk or a
    read-only file system, UserError for missing rights; other OSErrors pass as
    InfrastructureError. Everything that writes below a run folder runs inside this.
    """
    tail = f" ({kept})" if kept else ""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise PrerequisiteError(
                f"{folder}: {_FULL[error.errno]}{tail}",
                "free some space or choose another folder with --out, then run again",
            ) from error
        if error.errno == errno.EROFS:
            raise PrerequisiteError(
                f"{folder}: the file system is read-only{tail}",
                "choose another folder with --out",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST):
            why = error.strerror if folder.is_dir() or not folder.exists() else "not a folder"
            raise UserError(
                f"{folder}: cannot be written: {why}{tail}",
                "choose another folder with --out",
            ) from error
        raise InfrastructureError(f"{folder}: {error.strerror or error}{tail}") from error


class Run:
    """A run that is being written. One writer at a time; ``append`` is thread-safe."""

    def __init__(self, path: Path, manifest: Manifest, records: int) -> None:
        self.path = path
        self.manifest = manifest
        self._specs = {spec.id: spec for spec in manifest.trials}
        self._count = records
        self._lock = threading.Lock()
        with folder_errors(path):
            self._fd = os.open(path / RECORDS, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._fd)
                raise UserError(
                    f"{path}: another process is writing this run", "wait until it ends"
                ) from None
            sync_folder(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def kept(self) -> str:
        """How many records are safe, as words for a message."""
        return f"{self._count} of {len(self._specs)} trials are kept"

    def append(self, record: TrialRecord) -> None:
        """Add ``record`` as the last line and return once it is on the disk.

        Raises DataError for a record that could not be read back (a trial that is not in
        the manifest, a value that JSON cannot hold, a reading given twice), PrerequisiteError
        when the disk is full: the partial line is taken back, all earlier ones stay.
        """
        check_record(record, self.manifest)
        line = readable(record, f"record of {record.trial}") + b"\n"
        with self._lock, folder_errors(self.path, self.kept):
            before = os.fstat(self._fd).st_size
            try:
                _write_all(self._fd, line)
                os.fsync(self._fd)
            except OSError:
                os.ftruncate(self._fd, before)
                raise
            except BaseException:  # interrupted: a whole line stays
                if os.fstat(self._fd).st_size != before + len(line):
                    os.ftruncate(self._fd, before)
                raise
            self._count += 1

    def close(self) -> None:
        """Release the run. May be called twice."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def create_run(manifest: Manifest, root: Path) -> Run:
    """Make ``root/<manifest.run>/`` with its manifest, ready for the first record.

    Where that folder is taken (the same trials were started in the same second) the run's
    id gets the first free number: ``-2``, ``-3``, ... Raises DataError for a manifest that
    could not be read back, UserError when the folder cannot be written, PrerequisiteError
    when the disk is full.
    """
    readable(manifest, f"manifest of {manifest.run}")
    with folder_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        path = _own_folder(root, manifest.run)
        manifest = replace(manifest, run=path.name)
        try:
            write_atomically(path / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        except OSError:
            path.rmdir()
            raise
    return Run(path, manifest, 0)


def _own_folder(root: Path, name: str) -> Path:
    """A new folder of that name below ``root``, numbered where it exists."""
    for path in chain([root / name], (root / f"{name}-{n}" for n in count(2))):
        with suppress(FileExistsError):
            path.mkdir()
            return path
    raise AssertionError("count() does not end")


def resume_run(path: Path) -> tuple[Run, tuple[TrialRecord, ...], tuple[str, ...]]:
    """Open a saved run for more records: the run, what it holds, what was mended.

    A torn last line is cut off (its trial counts as not done). Raises as ``load_run``.
    """
    loaded = load_run(path)
    run = Run(path, loaded.manifest, len(loaded.records))
    with folder_errors(path, run.kept):
        mend_end(path / RECORDS)
    return run, loaded.records, loaded.problems


def mend_end(records: Path) -> None:
    """Make ``records`` end in a whole line: end an unended one, cut a torn one off."""
    data = records.read_bytes()
    start = data.rfind(b"\n") + 1
    last = data[start:]
    if not last:
        return
    with records.open("r+b") as file:
        try:
            msgspec.json.decode(last)
        except msgspec.DecodeError:
            file.truncate(start)
        else:
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``path`` whole or not at all: a temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def readable(document: TrialRecord | Manifest, where: str) -> bytes:
    """``document`` as JSON that reads back equal. Raises DataError for one that does not."""
    try:
        data = msgspec.json.encode(document)
        again = msgspec.json.decode(data, type=type(document))
    except (msgspec.MsgspecError, ValueError, OverflowError, TypeError) as error:
        why = ascii(str(error))[1:-1]
        raise DataError(f"{where}: it could not be read back: {why}") from error
    if again != document:
        fields = [f.name for f in dataclass_fields(document) if _differ(document, again, f.name)]
        raise DataError(f"{where}: {', '.join(fields)}: it would be read back changed")
    return data


def _differ(document: object, again: object, name: str) -> bool:
    return bool(getattr(document, name) != getattr(again, name))


def check_record(record: TrialRecord, manifest: Manifest) -> None:
    """Refuse a record that does not belong to ``manifest`` or could not be read back.

    Raises DataError naming trial, field and value.
    """
    where = f"record of {record.trial}"
    specs = {spec.id: spec for spec in manifest.trials}
    if record.schema != manifest.schema:
        raise DataError(f"{where}: schema: {record.schema}, the manifest has {manifest.schema}")
    if record.trial != record.spec.id or specs.get(record.trial) != record.spec:
        raise DataError(f"{where}: spec: it is not a trial of run {manifest.run}")
    seen = set()
    for at, reading in enumerate(record.readings):
        if isinstance(reading.value, float) and not math.isfinite(reading.value):
            raise DataError(f"{where}: readings[{at}].value: {reading.name} is {reading.value}")
        if reading.key in seen:
            raise DataError(f"{where}: readings[{at}]: {reading.name} {reading.key[2]} twice")
        seen.add(reading.key)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
