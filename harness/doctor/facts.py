# SPDX-License-Identifier: GPL-2.0-only
"""What is read of a machine: files, folders, programs. A recorded machine answers the same way."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil

from harness.paths import RESULTS, cache_dir

MAX_FILE = 1 << 20
"""Characters of a file that are read."""


class Facts(Protocol):
    """A machine, as far as it is looked at."""

    def text(self, path: str) -> str | None:
        """A file's text without the white space at its ends; None where it cannot be read."""

    def names(self, path: str) -> tuple[str, ...]:
        """The names in a folder, in order; none where there is no such folder."""

    def opens(self, path: str) -> str:
        """Why a device cannot be opened for reading and writing; "" where it can."""

    def program(self, name: str) -> bool:
        """Whether there is a program of that name to be run."""

    def free(self, what: str) -> int | None:
        """Bytes free: of ``cache``, ``results`` (disk) or ``memory``."""


class HostFacts:
    """This machine."""

    def text(self, path: str) -> str | None:
        try:
            with Path(path).open(encoding="utf-8", errors="replace") as file:
                return file.read(MAX_FILE).strip()
        except OSError:
            return None

    def names(self, path: str) -> tuple[str, ...]:
        try:
            return tuple(sorted(os.listdir(path)))  # noqa: PTH208
        except OSError:
            return ()

    def opens(self, path: str) -> str:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def program(self, name: str) -> bool:
        return shutil.which(name) is not None

    def free(self, what: str) -> int | None:
        if what == "memory":
            return int(psutil.virtual_memory().available)
        place = {"cache": cache_dir(), "results": RESULTS}[what]
        while not place.exists() and place != place.parent:
            place = place.parent
        try:
            return shutil.disk_usage(place).free
        except OSError:
            return None


@dataclass(frozen=True, kw_only=True)
class RecordedFacts:
    """A machine as it was recorded, or as a test makes one up. What is not in it is not there."""

    files: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)  # devices, and why
    programs: frozenset[str] = frozenset()
    room: Mapping[str, int] = field(default_factory=dict)

    def text(self, path: str) -> str | None:
        return self.files.get(path)

    def names(self, path: str) -> tuple[str, ...]:
        return self.folders.get(path, ())

    def opens(self, path: str) -> str:
        return self.refused.get(path, "")

    def program(self, name: str) -> bool:
        return name in self.programs

    def free(self, what: str) -> int | None:
        return self.room.get(what)


@dataclass
class Recorder:
    """Asks ``of`` and keeps every answer, so that another machine can be looked at elsewhere."""

    of: Facts
    files: dict[str, str] = field(default_factory=dict)
    folders: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    programs: set[str] = field(default_factory=set)
    room: dict[str, int] = field(default_factory=dict)

    def text(self, path: str) -> str | None:
        text = self.of.text(path)
        if text is not None:
            self.files[path] = text
        return text

    def names(self, path: str) -> tuple[str, ...]:
        names = self.of.names(path)
        if names:
            self.folders[path] = names
        return names

    def opens(self, path: str) -> str:
        why = self.of.opens(path)
        if why:
            self.refused[path] = why
        return why

    def program(self, name: str) -> bool:
        if self.of.program(name):
            self.programs.add(name)
        return name in self.programs

    def free(self, what: str) -> int | None:
        count = self.of.free(what)
        if count is not None:
            self.room[what] = count
        return count

    def recorded(self) -> RecordedFacts:
        """All answers so far."""
        return RecordedFacts(
            files=self.files,
            folders=self.folders,
            refused=self.refused,
            programs=frozenset(self.programs),
            room=self.room,
        )
