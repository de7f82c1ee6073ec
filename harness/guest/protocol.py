# SPDX-License-Identifier: GPL-2.0-only
"""The host's end of the channel: the lines that the guest wrote, as whole frames in order.

The format of a line is in ``agent/frames.py``, what frames carry in ``agent/wire.py``, and what
a whole trial sent in ``decoded.py``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.guest.agent.frames import FRAME_BYTES, Kind, Part, parse_line, unpack
from harness.guest.agent.wire import WireError

TRIAL_BYTES = 512 << 20
"""Payload of all frames of a trial; more is refused."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One whole message."""

    kind: Kind
    name: str
    payload: bytes


class _Assembler:
    """Puts parts together; every frame in order, none missing."""

    def __init__(self) -> None:
        self._next = 0
        self._open: list[Part] = []
        self._left = TRIAL_BYTES

    def add(self, part: Part) -> Frame | None:
        """The frame that ``part`` completes."""
        if part.seq != self._next:
            missing = f"frames {self._next} to {part.seq - 1} are missing"
            raise WireError(f"{part.where}: {missing}")
        self._next += 1
        first = self._open[0] if self._open else part
        expected = (first.kind, first.name, first.parts, len(self._open) + 1)
        if (part.kind, part.name, part.parts, part.part) != expected:
            raise WireError(f"{part.where}: part {part.part}/{part.parts} does not follow")
        self._open.append(part)
        if part.part < part.parts:
            return None
        packed = b"".join(one.data for one in self._open)
        self._open = []
        payload = unpack(packed, part.where, min(FRAME_BYTES, self._left))
        self._left -= len(payload)
        return Frame(kind=part.kind, name=part.name, payload=payload)

    @property
    def unfinished(self) -> str:
        """Name of the frame of which only some parts came; "" for none."""
        return self._open[0].name if self._open else ""


def frames(data: bytes) -> Iterator[Frame]:
    """The frames of ``data``, one after the other. Raises WireError where it is damaged."""
    assembler = _Assembler()
    lines = data.decode("ascii", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if not line:
            continue
        if number == len(lines):
            raise WireError(f"guest output ends inside line {number}: {line[:60]!a}")
        frame = assembler.add(parse_line(number, line))
        if frame:
            yield frame
    if assembler.unfinished:
        raise WireError(f"guest output ends inside {assembler.unfinished}")


class Stream:
    """Progress of a guest that still runs: fed as the channel grows, tolerant of anything."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, grown: bytes) -> list[str]:
        """The progress texts that became whole with ``grown``."""
        *lines, self._rest = (self._rest + grown).split(b"\n")
        texts = []
        for line in lines:
            try:
                part = parse_line(0, line.decode("ascii", errors="replace").rstrip("\r"))
                if part.kind is Kind.PROGRESS and part.parts == 1:
                    texts.append(unpack(part.data, part.where).decode(errors="replace"))
            except WireError:
                continue  # told by decode() when the guest has ended
        return texts
