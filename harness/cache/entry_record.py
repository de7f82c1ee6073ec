# SPDX-License-Identifier: GPL-2.0-only
"""``build.json``: the record of an entry, and whether its files still agree with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from harness.cache.hashes import content_sha256

FORMAT = 1


RECORD = "build.json"


Facts = Mapping[str, str | int | list[str]]


@dataclass(frozen=True, kw_only=True)
class Record:
    """``build.json`` of an entry."""

    format: int
    key: str
    files: Mapping[str, str]  # path in the entry -> SHA-256; a folder's is over its files
    seconds: float  # wall time it took to make
    facts: Facts = field(default_factory=dict)
    name: str = ""  # what it is, for people; "" in entries made before there were names


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
