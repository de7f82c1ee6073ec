# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel says while a trial runs on it: what a guest's console would show."""

import os
from pathlib import Path

DEVICE = Path("/dev/kmsg")
"""One message a read, from the oldest kept to the newest (Documentation/ABI/testing/dev-kmsg)."""
RECORD = 8192
"""Bytes of one message at most: CONSOLE_EXT_LOG_MAX of the kernel."""


class KernelLog:
    """The messages from now on; none where the kernel keeps no log or does not let us read it."""

    def __init__(self, device: Path = DEVICE) -> None:
        try:
            self._fd = os.open(device, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._fd, 0, os.SEEK_END)
        except OSError:
            self._fd = -1

    def since(self) -> bytes:
        """The messages that came, as a console prints them. Called once."""
        if self._fd < 0:
            return b""
        lines = []
        while True:
            try:
                record = os.read(self._fd, RECORD)
            except BrokenPipeError:  # the ring came round: messages were lost, the next is whole
                continue
            except OSError:
                break
            if not record:
                break
            lines.append(line(record))
        os.close(self._fd)
        return b"".join(lines)


def line(record: bytes) -> bytes:
    """A record of /dev/kmsg (``priority,number,microseconds,flags;message``, then lines of its
    dictionary, which begin with a space) as a line of the console."""
    head, _, rest = record.partition(b";")
    message = rest.partition(b"\n")[0]
    fields = head.split(b",")
    try:
        microseconds = int(fields[2])
    except (IndexError, ValueError):
        return message + b"\n"
    return b"[%5d.%06d] %s\n" % (*divmod(microseconds, 1_000_000), message)
