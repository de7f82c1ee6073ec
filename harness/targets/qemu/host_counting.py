# SPDX-License-Identifier: GPL-2.0-only
"""perf on the host, counting what a KVM guest does: where the guest gets no counters of its own."""

import os
import select
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness import proc
from harness.targets.qemu.pinning import vcpu_threads

INTERVAL_MS = 100
"""Below that perf's own work shows; the edges of a window are known no better either."""
GUEST_ONLY = "G"
"""Modifier of an event: count while the CPU executes a guest (perf-list(1))."""


VCPUS_COME_S = 30.0
"""QEMU makes its vCPUs before it boots; a busy machine takes a second or two for that."""


def argv(events: Sequence[str], pid: int, output: Path) -> list[str]:
    """perf on all threads of the process ``pid`` until that ends, a line an event and interval."""
    asked = [word for event in events for word in ("-e", f"{event}:{GUEST_ONLY}")]
    return [
        *("perf", "stat", "-I", str(INTERVAL_MS), "-j", "-o", str(output), "-p", str(pid)),
        *asked,
    ]


def vcpus_have_come(pid: int, vcpus: int, timeout_s: float = VCPUS_COME_S) -> bool:
    """Wait until QEMU, the process ``pid``, has ``vcpus`` threads for them; whether it ever had."""
    deadline = time.monotonic() + timeout_s
    process = os.pidfd_open(pid)
    try:
        while len(vcpu_threads(pid)) < vcpus:
            ended, _, _ = select.select([process], [], [], 0.01)
            if ended or time.monotonic() > deadline:
                return False
        return True
    finally:
        os.close(process)


class HostCounting:
    """Counts ``events`` of a QEMU with ``vcpus`` into ``output``; nothing where there are none."""

    def __init__(self, events: Sequence[str], vcpus: int, output: Path) -> None:
        self._events = events
        self._vcpus = vcpus
        self._began = 0.0
        self.output = output
        self.opened_s: float | None = None

    @contextmanager
    def of(self, pid: int) -> Iterator[None]:
        """Count what the process ``pid`` does while the block runs.

        perf lists a process's threads when it starts, and one that comes while it opens their
        counters is in none of them. So it starts after the vCPUs, and not at all without them.
        Raises PrerequisiteError where perf is not installed.
        """
        if not self._events or not vcpus_have_come(pid, self._vcpus):
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
