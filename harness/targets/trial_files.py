# SPDX-License-Identifier: GPL-2.0-only
"""The raw output of a trial as files: their names, how they are kept, and how they are read."""

import gzip
import shutil
import zlib
from pathlib import Path

import msgspec

from harness.durable import sync_tree
from harness.errors import DataError
from harness.targets.target import Ended

CONSOLE = "console.log"
CHANNEL = "channel.out"
REPORT = "itlb.json"
TRACE = "itlb.trace"
HOST_COUNTS = "perf-host.json"
END = "end.json"
"""How the target ended. Runs that were recorded before it was kept ended by themselves."""
PACKED = ".gz"
MOST = 1 << 30
"""Bytes of one file, unpacked; a longer one is refused."""


class _End(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    returncode: int | None
    stopped: str
    stderr: str
    seconds: float
    opened_s: float | None = None


def keep(ended: Ended, folder: Path) -> None:
    """Write the output of a trial to ``folder``: the console as it is, the large rest compressed.

    Equal output gives equal files, but for the wall time in ``END``. When this returns they are
    on the disk, so that a record that follows has its raw output. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONSOLE).write_bytes(ended.console)
    _pack(ended.channel, folder / f"{CHANNEL}{PACKED}")
    if ended.report:
        _pack(ended.report, folder / f"{REPORT}{PACKED}")
    if ended.trace is not None:
        shutil.copyfile(ended.trace, folder / TRACE)  # it is compressed already
    if ended.host_counts is not None:
        _pack(ended.host_counts, folder / f"{HOST_COUNTS}{PACKED}")
    end = _End(
        ended.returncode, ended.stopped, ended.stderr, round(ended.seconds, 3), ended.opened_s
    )
    (folder / END).write_bytes(msgspec.json.encode(end) + b"\n")
    sync_tree(folder)


def read(folder: Path) -> Ended:
    """The output of a trial from ``folder``. Raises DataError with the file at fault."""
    trace, end = folder / TRACE, _read_end(folder / END)
    return Ended(
        console=_read(folder, CONSOLE) or b"",
        channel=_read(folder, CHANNEL) or b"",
        report=_read(folder, REPORT),
        trace=trace if trace.is_file() else None,
        host_counts=_read(folder, HOST_COUNTS),
        opened_s=end.opened_s,
        returncode=end.returncode,
        stopped=end.stopped,
        stderr=end.stderr,
        seconds=end.seconds,
    )


def _pack(data: bytes, path: Path) -> None:
    """Compress ``data``; there is neither a time nor a name in the file."""
    with path.open("wb") as target, gzip.GzipFile("", "wb", 6, target, 0) as packed:
        packed.write(data)


def _read(folder: Path, name: str) -> bytes | None:
    """The content of a file, packed or not; None when there is neither."""
    plain, packed = folder / name, folder / f"{name}{PACKED}"
    try:
        if plain.is_file():
            data = plain.read_bytes()
        elif packed.is_file():
            with gzip.open(packed) as file:
                data = file.read(MOST + 1)
        else:
            return None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{packed}: {error}", "restore the file") from error
    if len(data) > MOST:
        raise DataError(f"{folder / name}: it has more than {MOST} bytes", "restore the file")
    return data


def _read_end(path: Path) -> _End:
    if not path.is_file():
        return _End(0, "", "", 0.0)
    try:
        return msgspec.json.decode(path.read_bytes(), type=_End)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}", "restore the file") from error
