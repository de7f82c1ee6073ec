# SPDX-License-Identifier: GPL-2.0-only
"""A trial's process from start to end: its two files are followed, and it is stopped in time."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.guest.protocol import Stream
from harness.proc import Process
from harness.targets.target import FLOOD, INTERRUPTED

POLL_S = 0.25
CONSOLE_BYTES, CHANNEL_BYTES = 64 << 20, 1 << 30
"""A trial that writes more than this is ended: it would only fill the disk, and the memory of who
reads it. An oops is 10 kB, a trial's whole output some MB."""

Watcher = Callable[[bytes], str | None]
"""Gets what a file grew by; a text it returns is the reason to stop the trial."""


class Follower:
    """Reads what a growing file has gained since the last look: ``most`` bytes in all."""

    def __init__(self, path: Path, watch: Watcher, most: int) -> None:
        self._path = path
        self._watch = watch
        self._most = most
        self.offset = 0  # bytes that have come

    def look(self) -> str | None:
        """Why the trial has to be stopped, if it has to."""
        try:
            with self._path.open("rb") as file:
                file.seek(self.offset)
                grown = file.read(self._most + 1 - self.offset)
        except FileNotFoundError:
            return None
        self.offset += len(grown)
        if self.offset > self._most:
            return f"{FLOOD}more than {self._most} bytes in {self._path.name}"
        return self._watch(grown) if grown else None


def channel_watcher(on_progress: Callable[[str], None]) -> Watcher:
    """Tells the agent's own words on how far it is to ``on_progress``."""
    stream = Stream()

    def watch(grown: bytes) -> None:
        for line in stream.feed(grown):
            on_progress(line)

    return watch


def watched(
    process: Process,
    followers: Sequence[Follower],
    *,
    timeout_s: float,
    silent_s: float,
    should_stop: Callable[[], bool],
    also: Callable[[], None] = lambda: None,
) -> str:
    """Wait until ``process`` ends; why it has to be ended before that, "" if it did by itself.

    ``timeout_s`` of wall time at most, ``silent_s`` where nothing at all was written;
    ``should_stop`` and ``also`` are called several times a second.
    """
    began = time.monotonic()
    while True:
        ended = process.wait(POLL_S) is not None
        also()
        stopped = ""
        for follower in followers:
            stopped = stopped or follower.look() or ""
        if ended:
            return ""
        passed = time.monotonic() - began
        if passed > timeout_s:
            stopped = stopped or f"timed out after {timeout_s:g} s of wall time; killed"
        if passed > silent_s and not any(f.offset for f in followers):
            stopped = stopped or f"nothing written after {silent_s:g} s of wall time"
        if should_stop():
            stopped = stopped or INTERRUPTED
        if stopped:
            return stopped
