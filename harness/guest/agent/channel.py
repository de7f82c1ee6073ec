# SPDX-License-Identifier: GPL-2.0-only
"""The guest's end of the channel: frames written to the second serial port."""

import os
import termios
import tty

from . import frames, wire
from .frames import Kind

DEVICE = "/dev/ttyS1"
FILE = "/run/trial/channel"
"""In its place where the trial has no guest: a file that is there before the agent."""


class Channel:
    """Writes frames to the host. Nothing ever comes back."""

    def __init__(self, device: str | None = None) -> None:
        device = device or (FILE if os.path.exists(FILE) else DEVICE)  # noqa: PTH110
        self._fd = os.open(device, os.O_WRONLY | os.O_NOCTTY)
        if os.isatty(self._fd):
            tty.setraw(self._fd)
        self._seq = 0

    def send(self, kind: Kind, name: str, payload: bytes) -> None:
        """Send one frame; spaces in ``name`` become underscores. Raises WireError for a name
        that is not a relative path."""
        name = name.replace(" ", "_")
        frames.check_name(name, str(kind))
        lines = frames.encode(self._seq, kind, name, payload)
        self._seq += len(lines)
        data = "".join(f"{line}\n" for line in lines).encode()
        while data:
            data = data[os.write(self._fd, data) :]

    def text(self, kind: Kind, name: str, text: str) -> None:
        """Send text."""
        self.send(kind, name, text.encode(errors="replace"))

    def record(self, record: wire.Record) -> None:
        """Send a record. Raises WireError for one that the host would refuse."""
        self.send(Kind.RECORD, record.NAME, wire.encode(record))

    def done(self, done: wire.Done) -> None:
        """Say how the trial ended; the last frame."""
        self.send(Kind.DONE, done.NAME, wire.encode(done))

    def close(self) -> None:
        """Wait until all has left the port."""
        if os.isatty(self._fd):
            termios.tcdrain(self._fd)
        os.close(self._fd)
