# SPDX-License-Identifier: GPL-2.0-only
"""One trial's result as a folder of its own, whole or not there at all: what machines exchange.

Below the folder of the run it belongs to: ``trials/<key>/`` with ``record.json``, ``raw/`` and
``SHA256SUMS`` of both, as sha256sum(1) has them.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.cache import sha256_file
from harness.durable import sync_folder, sync_tree
from harness.errors import DataError
from harness.model.records import TrialRecord
from harness.store.loading import decode
from harness.store.run_folder import readable, write_atomically

TRIALS, RECORD, RAW, SUMS = "trials", "record.json", "raw", "SHA256SUMS"
MAX_BYTES = 1 << 30
"""Of one file: a longer one is refused."""
MAX_FILES = 1000
AGAIN_REMEDY = "remove the folder, and compute its key again"


@dataclass(frozen=True, kw_only=True)
class KeptTrial:
    """A trial's result on the disk."""

    path: Path
    record: TrialRecord

    @property
    def machine(self) -> str:
        """Who computed it, for a message."""
        return self.record.machine or "a machine without a name"


@contextmanager
def room(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` to make it in, gone at the end unless ``keep`` moved it.

    What killed processes of this machine left is removed.
    """
    name, here = f".{folder.name}", os.uname().nodename
    for left in folder.parent.glob(f"{name}.{here}.*"):
        pid = left.name.rpartition(".")[2]
        if pid.isdecimal() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)
    made = folder.with_name(f"{name}.{here}.{os.getpid()}")
    made.mkdir(parents=True)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def keep(record: TrialRecord, made: Path, folder: Path) -> None:
    """Add ``record`` to what is in ``made``, and let that be ``folder`` at once.

    A failed or damaged trial that stands there is replaced; any other stays. Raises
    FileExistsError for that, DataError for a record that could not be read back, OSError.
    """
    data = readable(record, f"record of {record.trial}")
    write_atomically(made / RECORD, data + b"\n")
    sums = "".join(f"{sha256_file(path)}  {place}\n" for place, path in _files(made).items())
    write_atomically(made / SUMS, sums.encode())
    sync_tree(made)
    if folder.exists() and not is_good(folder):
        shutil.rmtree(folder)
    try:
        made.rename(folder)
    except OSError as error:  # ENOTEMPTY: another one was first
        if folder.exists():
            raise FileExistsError(error.errno, "it is there already", str(folder)) from error
        raise
    sync_folder(folder.parent)


def is_good(folder: Path) -> bool:
    """Whether ``folder`` has a whole result of a trial that did not fail."""
    try:
        return load(folder).record.failure is None
    except DataError:
        return False


def load(folder: Path) -> KeptTrial:
    """The result in ``folder``, checked against its sums. Raises DataError for one that is not
    whole, or leads out of its folder."""
    files = _files(folder)
    if RECORD not in files or SUMS not in files:
        raise DataError(f"{folder}: no {SUMS if RECORD in files else RECORD} in it", AGAIN_REMEDY)
    said = dict(_sums(files.pop(SUMS)))
    for place in sorted({*said, *files}):
        if place not in said or place not in files or sha256_file(files[place]) != said[place]:
            raise DataError(f"{folder / place}: not what {SUMS} says", AGAIN_REMEDY)
    record = decode(files[RECORD].read_bytes(), TrialRecord, str(folder / RECORD))
    return KeptTrial(path=folder, record=record)


def _sums(path: Path) -> Iterator[tuple[str, str]]:
    """Place and hash of each line."""
    for line in path.read_text(errors="replace").splitlines():
        found, _, place = line.partition("  ")
        yield place, found


def first_changed_file(left: KeptTrial, right: KeptTrial, except_for: str) -> str:
    """The first file of raw output that is not the same in both, ``except_for`` its name; ""
    if none."""
    ours, theirs = _files(left.path), _files(right.path)
    for name in sorted({*ours, *theirs} - {RECORD, SUMS, f"{RAW}/{except_for}"}):
        if name not in ours or name not in theirs:
            return f"{name} is in one of them only"
        if ours[name].read_bytes() != theirs[name].read_bytes():
            return f"{name} has other bytes"
    return ""


def _files(folder: Path) -> dict[str, Path]:
    """The regular files below ``folder`` by their place in it. Raises DataError for anything else:
    what came from another machine must not lead out of its folder."""
    found: dict[str, Path] = {}
    for at, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(at, name)
            regular = path.is_dir() if name in folders else path.is_file()
            if path.is_symlink() or not regular:
                raise DataError(f"{path}: neither a file nor a folder", AGAIN_REMEDY)
            if name in names:
                if path.stat().st_size > MAX_BYTES or len(found) == MAX_FILES:
                    raise DataError(f"{path}: too large, or too many files", AGAIN_REMEDY)
                found[path.relative_to(folder).as_posix()] = path
    return found


def copy_raw(kept: KeptTrial, to: Path) -> None:
    """Copy the raw output to the new folder ``to``. Raises DataError, OSError."""
    made = to.with_name(f".{to.name}.{os.getpid()}")
    shutil.rmtree(made, ignore_errors=True)
    for place, path in _files(kept.path).items():
        if place.startswith(f"{RAW}/"):
            target = made / place.removeprefix(f"{RAW}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target, follow_symlinks=False)
    shutil.rmtree(to, ignore_errors=True)
    if made.exists():
        sync_tree(made)
        made.rename(to)
        sync_folder(to.parent)
