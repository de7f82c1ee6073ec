# SPDX-License-Identifier: GPL-2.0-only
"""Frames: the guest's messages as lines of text on its second serial port, for both sides.

``EMB1 <seq> <kind> <name> <part>/<parts> <crc32> <base64>``. The payload is compressed with
zlib and cut into parts; the crc is that of the part's own bytes. What does not fit is refused
with WireError.
"""

import base64
import re
import zlib
from dataclasses import dataclass
from enum import StrEnum

from .checks import WireError, shown

MAGIC = "EMB1"
NAME_CHARACTERS = 200
"""Of a frame: the host makes a file of it."""
PART = 2700
"""Bytes of payload a line: with base64 and header below 4 kB."""
FRAME_BYTES = 64 << 20
"""A larger payload is refused, however small it is when compressed."""


class Kind(StrEnum):
    """What a frame carries."""

    PROGRESS = "progress"  # a line for whoever watches
    FILE = "file"  # raw bytes
    ABSENT = "absent"  # why a file could not be read
    RECORD = "record"  # one of RECORDS
    DONE = "done"  # how the trial ended; nothing follows


@dataclass(frozen=True, kw_only=True)
class Part:
    """One line of the channel: a whole frame, or a part of one."""

    seq: int
    kind: Kind
    name: str
    part: int
    parts: int
    data: bytes

    @property
    def where(self) -> str:
        """The frame, for messages."""
        return f"frame {self.seq} ({self.kind} {self.name})"


_LINE = re.compile(
    rf"{MAGIC} (\d{{1,12}}) (\w+) (\S+) (\d{{1,9}})/(\d{{1,9}}) ([0-9a-f]{{8}}) (\S*)", re.ASCII
)
_NAME = re.compile(r"[!-\[\]-~]+")


def encode(seq: int, kind: str, name: str, payload: bytes) -> list[str]:
    """The lines of one frame, the first with number ``seq``."""
    packed = zlib.compress(payload, 6)
    parts = [packed[i : i + PART] for i in range(0, len(packed), PART)]
    return [
        f"{MAGIC} {seq + i} {kind} {name} {i + 1}/{len(parts)} {zlib.crc32(part):08x} "
        + base64.b64encode(part).decode()
        for i, part in enumerate(parts)
    ]


def parse_line(number: int, line: str) -> Part:
    """Line ``number`` of the channel. Raises WireError."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise WireError(f"guest output line {number} is not a frame: {shown(line)}")
    where = f"guest output line {number} ({shown(' '.join(line.split(' ')[:4]))})"
    try:
        data = base64.b64decode(match[7], validate=True)
    except ValueError as error:
        raise WireError(f"{where}: {error}") from None
    if zlib.crc32(data) != int(match[6], 16):
        raise WireError(f"{where}: wrong checksum")
    if match[2] not in tuple(Kind):
        raise WireError(f"{where}: unknown kind {shown(match[2])}")
    check_name(match[3], where)
    part, parts = int(match[4]), int(match[5])
    if not 1 <= part <= parts:
        raise WireError(f"{where}: part {part} of {parts}")
    return Part(
        seq=int(match[1]), kind=Kind(match[2]), name=match[3], part=part, parts=parts, data=data
    )


def check_name(name: str, where: str) -> None:
    """Raises WireError unless ``name`` is a relative path that stays where it is put."""
    steps = name.split("/")
    if (
        len(name) > NAME_CHARACTERS
        or not _NAME.fullmatch(name)
        or any(step in ("", ".", "..") for step in steps)
    ):
        raise WireError(f"{where}: {shown(name)} is not a relative name")


def unpack(packed: bytes, where: str, most: int = FRAME_BYTES) -> bytes:
    """The payload that was compressed to ``packed``. Raises WireError, also for one of more than
    ``most`` bytes."""
    inflater = zlib.decompressobj()
    try:
        payload = inflater.decompress(packed, most + 1)
    except zlib.error as error:
        raise WireError(f"{where}: {error}") from None
    if len(payload) > most:
        raise WireError(f"{where}: its payload has more than {most} bytes")
    if not inflater.eof or inflater.unused_data:
        raise WireError(f"{where}: its compressed payload is cut short or goes on behind its end")
    return payload
