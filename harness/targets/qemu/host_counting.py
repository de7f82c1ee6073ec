# SPDX-License-Identifier: GPL-2.0-only
"""perf on the host, counting what a KVM guest does: where the guest gets no counters of its own."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import proc

INTERVAL_MS = 100
"""Below that perf's own work shows; the edges of a window are known no better either."""
GUEST_ONLY = "G"
"""Modifier of an event: count while the CPU executes a guest (perf-list(1))."""


def argv(events: Sequence[str], pid: int, output: Path) -> list[str]:
    """perf on all threads of the process ``pid`` until that ends, a line an event and interval."""
    asked = [word for event in events for word in ("-e", f"{event}:{GUEST_ONLY}")]
    return [
        *("perf", "stat", "-I", str(INTERVAL_MS), "-j", "-o", str(output), "-p", str(pid)),
        *asked,
    ]


class HostCounting:
    """Counts ``events`` of a QEMU into ``output``; nothing where there are none."""

    def __init__(self, events: Sequence[str], output: Path) -> None:
        self._events = events
        self._began = 0.0
        self.output = output
        self.opened_s: float | None = None

    @contextmanager
    def of(self, pid: int) -> Iterator[None]:
        """Count what the process ``pid`` does while the block runs.

        Raises PrerequisiteError where perf is not installed.
        """
        if not self._events:
            yield
            return
        command = argv(self._events, pid, self.output)
        self._began = time.monotonic()
        with proc.start(command, env={"LC_ALL": "C"}):
            yield

    def opens(self) -> None:
        """The measured window opens now. Whatever a workload says later, it opens once."""
        if self._events and self.opened_s is None:
            self.opened_s = time.monotonic() - self._began
