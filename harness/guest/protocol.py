# SPDX-License-Identifier: GPL-2.0-only
"""The host's side of the protocol: what the guest wrote on its second serial port.

The guest's side and the format of a frame: ``agent/frames.py``.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.errors import TrialError

MAGIC = "EMB1"
KINDS = frozenset({"progress", "file", "absent", "record", "done"})


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One whole message."""

    kind: str
    name: str
    payload: bytes


@dataclass(frozen=True, kw_only=True)
class GuestOutput:
    """Everything the guest said. ``done`` is None if it never said that it had finished."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)  # file -> why it could not be read
    records: tuple[tuple[str, Any], ...] = ()
    progress: tuple[str, ...] = ()
    done: Mapping[str, Any] | None = None


class ProtocolError(TrialError):
    """The guest's output is damaged; the text names the frame.

    ``whole`` is what came undamaged before it: for diagnosis, never a result.
    """

    def __init__(self, message: str, whole: GuestOutput | None = None) -> None:
        super().__init__(message)
        self.whole = whole or GuestOutput()


@dataclass(frozen=True, kw_only=True)
class _Part:
    seq: int
    kind: str
    name: str
    part: int
    parts: int
    data: bytes


def _parse_line(number: int, line: str) -> _Part:
    fields = line.split(" ")
    shown = " ".join(fields[:4])[:80]
    if len(fields) != 7 or fields[0] != MAGIC:
        raise ProtocolError(f"guest output line {number} is no frame: {shown!r}")
    try:
        part, parts = (int(word) for word in fields[4].split("/"))
        seq, crc = int(fields[1]), int(fields[5], 16)
        data = base64.b64decode(fields[6], validate=True)
    except (ValueError, binascii.Error) as error:
        raise ProtocolError(f"guest output line {number} ({shown}): {error}") from error
    if zlib.crc32(data) != crc:
        raise ProtocolError(f"guest output line {number} ({shown}): wrong checksum")
    if fields[2] not in KINDS:
        raise ProtocolError(f"guest output line {number}: unknown kind {fields[2]!r}")
    return _Part(seq=seq, kind=fields[2], name=fields[3], part=part, parts=parts, data=data)


class _Assembler:
    """Puts parts together; every frame in order, none missing."""

    def __init__(self) -> None:
        self._next = 0
        self._open: list[_Part] = []

    def add(self, number: int, line: str) -> Frame | None:
        part = _parse_line(number, line)
        where = f"frame {part.seq} ({part.kind} {part.name})"
        if part.seq != self._next:
            raise ProtocolError(f"{where}: frames {self._next} to {part.seq - 1} are missing")
        self._next += 1
        first = self._open[0] if self._open else part
        expected = (first.kind, first.name, first.parts, len(self._open) + 1)
        if (part.kind, part.name, part.parts, part.part) != expected:
            raise ProtocolError(f"{where}: part {part.part}/{part.parts} does not follow")
        self._open.append(part)
        if part.part < part.parts:
            return None
        packed = b"".join(p.data for p in self._open)
        self._open = []
        try:
            payload = zlib.decompress(packed)
        except zlib.error as error:
            raise ProtocolError(f"{where}: {error}") from error
        return Frame(kind=part.kind, name=part.name, payload=payload)

    @property
    def unfinished(self) -> str:
        """Name of the frame of which only some parts came; "" for none."""
        return self._open[0].name if self._open else ""


def frames(data: bytes) -> Iterator[Frame]:
    """The frames of ``data``, one after the other. Raises ProtocolError where it is damaged."""
    assembler = _Assembler()
    lines = data.decode("ascii", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if not line:
            continue
        if number == len(lines):
            raise ProtocolError(f"guest output ends inside line {number}: {line[:60]!r}")
        frame = assembler.add(number, line)
        if frame:
            yield frame
    if assembler.unfinished:
        raise ProtocolError(f"guest output ends inside {assembler.unfinished}")


def parse(data: bytes) -> GuestOutput:
    """All that the guest wrote. Raises ProtocolError for anything damaged or out of order."""
    collected = _Collected()
    try:
        for frame in frames(data):
            collected.add(frame)
    except ProtocolError as error:
        raise ProtocolError(error.message, collected.output()) from error
    return collected.output()


class _Collected:
    """Frames by what they say."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._absent: dict[str, str] = {}
        self._records: list[tuple[str, Any]] = []
        self._progress: list[str] = []
        self._done: Mapping[str, Any] | None = None

    def add(self, frame: Frame) -> None:
        if self._done is not None:
            raise ProtocolError(f"{frame.kind} {frame.name} after the guest said it was done")
        if frame.kind == "file":
            self._files[frame.name] = frame.payload
        elif frame.kind == "absent":
            self._absent[frame.name] = frame.payload.decode(errors="replace")
        elif frame.kind == "progress":
            self._progress.append(frame.payload.decode(errors="replace"))
        elif frame.kind == "record":
            self._records.append((frame.name, _json(frame)))
        else:
            done = _json(frame)
            if not isinstance(done, dict):
                raise ProtocolError(f"{frame.kind} {frame.name}: no JSON object")
            self._done = done

    def output(self) -> GuestOutput:
        return GuestOutput(
            files=self._files,
            absent=self._absent,
            records=tuple(self._records),
            progress=tuple(self._progress),
            done=self._done,
        )


def _json(frame: Frame) -> Any:
    try:
        return json.loads(frame.payload)
    except ValueError as error:
        raise ProtocolError(f"{frame.kind} {frame.name}: {error}") from error


class Stream:
    """Progress of a guest that still runs: fed as the channel grows, tolerant of anything."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, grown: bytes) -> list[str]:
        """The progress texts that became whole with ``grown``."""
        *lines, self._rest = (self._rest + grown).split(b"\n")
        found = []
        for line in lines:
            try:
                part = _parse_line(0, line.decode("ascii", errors="replace").rstrip("\r"))
                if part.kind == "progress" and part.parts == 1:
                    found.append(zlib.decompress(part.data).decode(errors="replace"))
            except (ProtocolError, zlib.error):
                continue  # told by parse() when the guest has ended
        return found
