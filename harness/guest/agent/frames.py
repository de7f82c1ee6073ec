# SPDX-License-Identifier: GPL-2.0-only
"""The guest's side of the protocol: frames of text on the second serial port.

``EMB1 <seq> <kind> <name> <part>/<parts> <crc32> <base64>``, a line each. The payload is
compressed with zlib and cut into parts; the crc is that of the part's own bytes. The host's
side is ``harness/guest/protocol.py``.
"""

import base64
import json
import os
import termios
import tty
import zlib

MAGIC = "EMB1"
PART = 2700  # bytes of payload a line: with base64 and header below 4 kB
DEVICE = "/dev/ttyS1"


def encode(seq: int, kind: str, name: str, payload: bytes) -> list[str]:
    """The lines of one frame, the first with number ``seq``."""
    packed = zlib.compress(payload, 6)
    parts = [packed[i : i + PART] for i in range(0, len(packed), PART)]
    return [
        f"{MAGIC} {seq + i} {kind} {name} {i + 1}/{len(parts)} {zlib.crc32(part):08x} "
        + base64.b64encode(part).decode()
        for i, part in enumerate(parts)
    ]


class Channel:
    """Writes frames to the host. Nothing ever comes back."""

    def __init__(self, device: str = DEVICE) -> None:
        self._fd = os.open(device, os.O_WRONLY | os.O_NOCTTY)
        if os.isatty(self._fd):
            tty.setraw(self._fd)
        self._seq = 0

    def send(self, kind: str, name: str, payload: bytes) -> None:
        """Send one frame; ``name`` has no spaces."""
        lines = encode(self._seq, kind, name.replace(" ", "_"), payload)
        self._seq += len(lines)
        data = "".join(f"{line}\n" for line in lines).encode()
        while data:
            data = data[os.write(self._fd, data) :]

    def text(self, kind: str, name: str, text: str) -> None:
        """Send text."""
        self.send(kind, name, text.encode(errors="replace"))

    def record(self, name: str, value: object) -> None:
        """Send a JSON value."""
        self.send("record", name, json.dumps(value, sort_keys=True).encode())

    def close(self) -> None:
        """Wait until all has left the port."""
        if os.isatty(self._fd):
            termios.tcdrain(self._fd)
        os.close(self._fd)
