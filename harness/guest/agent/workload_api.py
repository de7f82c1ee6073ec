# SPDX-License-Identifier: GPL-2.0-only
"""What a workload may use. A workload is a folder with ``workload.toml`` and a Python file
that has a class ``Workload`` with the methods of the protocol below.

Only the standard library and the guest image's packages (psutil, pyroute2; bcc where
``workload.toml`` says ``layers = ["bcc"]``) can be imported.
"""

import os
import random
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from . import edges, perf_stat, requirements, wire
from .channel import Channel
from .frames import Kind
from .marker import Marker

FIRST_CYCLE = wire.MEASURED + 1
"""Number of the first of the model's windows beside the measured one."""
CYCLES = wire.WINDOWS - wire.MEASURED
"""As many windows are left beside the measured one: for cycles and others."""


class WorkloadFailed(Exception):
    """The workload did not do what it measures; the text says what happened."""


class Workload(Protocol):
    """The four steps; ``measure`` alone runs inside the window."""

    def setup(self, ctx: "Context") -> None:
        """Load and attach everything. Nothing is measured yet."""

    def warm(self, ctx: "Context") -> None:
        """Return once the load runs as it will during the window."""

    def measure(self, ctx: "Context") -> None:
        """The window: usually ``ctx.wait(seconds)`` while the load runs."""

    def teardown(self, ctx: "Context") -> None:
        """Stop the load, read its own figures, unload."""


class Terminal:
    """A program on a terminal. It is never read for it: ``text`` takes what has come."""

    def __init__(self, process: "subprocess.Popen[bytes]", fd: int) -> None:
        self.process = process
        self._fd = fd
        os.set_blocking(fd, False)
        self._seen = b""

    def text(self) -> str:
        """Everything that the program has written so far."""
        while True:
            try:
                more = os.read(self._fd, 65536)
            except OSError:
                break  # nothing more now, or the program has ended
            if not more:
                break
            self._seen += more
        return self._seen.decode(errors="replace").replace("\r\n", "\n")


class Context:
    """The trial as the workload sees it.

    ``params``: the workload's parameters; ``rng``: a generator seeded by the trial's seed,
    the only source of chance to use; ``smp``: number of vCPUs; ``folder``: the workload's
    folder in the guest.
    """

    def __init__(
        self,
        channel: Channel,
        trial: wire.TrialDocument,
        folder: Path,
        marker: Marker | None = None,
    ) -> None:
        self.params: Mapping[str, Any] = trial.params
        self.seed = trial.seed
        self.rng = random.Random(self.seed)
        self.smp = trial.smp
        self.variant = trial.variant
        self.folder = folder
        self._perf_events = list(trial.perf_events)
        self._channel = channel
        self._marker = marker
        self._children: list[subprocess.Popen[bytes]] = []
        self._windows = 0

    def progress(self, text: str) -> None:
        """A line for whoever watches the run."""
        self._channel.text(Kind.PROGRESS, "progress", text)

    def note(self, text: str) -> None:
        """Something that every reader of the result must know; kept in the record."""
        self._channel.record(wire.Note(text=text))

    def emit(
        self,
        name: str,
        value: int | float | None,
        unit: str,
        labels: dict[str, str] | None = None,
        status: str = "ok",
        reason: str = "",
    ) -> None:
        """A reading of the workload's own, once for each name and labels. ``value`` None needs
        another status and a reason. Raises WireError for what is not a reading."""
        self._channel.record(
            wire.WorkloadReading(
                name=name,
                value=value,
                unit=unit,
                labels=labels or {},
                status=status,
                reason=reason,
            )
        )

    def keep(self, name: str, data: bytes) -> None:
        """Keep raw output beside the record, as ``workload/<name>``, once for each name."""
        self._channel.send(Kind.FILE, f"workload/{name}", data)

    def verdicts(self, words: dict[str, str]) -> None:
        """What each test came to: name -> ``pass``, ``fail`` or ``skip``; kept in the record."""
        self._channel.record(wire.Verdicts(words=words))

    @contextmanager
    def cycle(self, number: int) -> Iterator[None]:
        """Count what runs inside as cycle ``number`` (0, 1, ...) of what comes before the
        window, and sample the kernel's files at its end: readings with the label ``cycle``. In
        ``setup`` or ``warm`` only: one thing is counted at a time.
        """
        window = self._next_window(f"cycle {number}")
        began = time.monotonic_ns()
        if self._marker is not None:
            self._marker.open(window)
        yield
        if self._marker is not None:
            self._marker.close(window)
        ended = time.monotonic_ns()
        self._channel.record(wire.Cycle(window=window, cycle=number, ns=ended - began))
        edges.sample_cycle(self._channel, number)

    @contextmanager
    def window(self, label: str) -> Iterator[None]:
        """Count what runs inside under ``label``, before the measured window: a table of its
        own for the model's readings. In ``setup`` or ``warm`` only."""
        number = self._next_window(f"window {label!r}")
        began = time.monotonic_ns()
        if self._marker is not None:
            self._marker.open(number)
        yield
        if self._marker is not None:
            self._marker.close(number)
        ended = time.monotonic_ns()
        counted = wire.Window(number=number, label=label, ns=ended - began)
        self._channel.record(wire.Windows(windows=(counted,)))

    def _next_window(self, what: str) -> int:
        """Number of a window that nothing was counted in."""
        if self._windows == CYCLES:
            raise WorkloadFailed(f"{what}: {CYCLES} cycles and windows at most")
        self._windows += 1
        return FIRST_CYCLE + self._windows - 1

    def user_text(self, origin: str, start: int, end: int) -> None:
        """What is fetched from user addresses from ``start`` up to ``end`` is shown as
        ``origin`` too, beside all user text."""
        self._channel.record(wire.UserText(origin=origin, start=start, end=end))

    def wait(self, seconds: float) -> None:
        """Let the load run for ``seconds`` of guest time; under ``perf stat`` if asked for."""
        if not self._perf_events:
            time.sleep(seconds)
            return
        self._under_perf(perf_stat.sleep_argv(seconds))

    def run_measured(self, argv: list[str], timeout: float = 3600) -> str:
        """Let the load be ``argv``, run to its end; under ``perf stat`` if asked for.

        Returns its output. Raises WorkloadFailed.
        """
        if not self._perf_events:
            return self.run(argv, timeout)
        output = "/tmp/measured-output"
        status = self._under_perf(argv, output)
        text = Path(output).read_text(errors="replace")
        if status != 0:
            raise WorkloadFailed(f"perf stat {' '.join(argv)} ended with {status}: {text[-500:]}")
        return text

    def _under_perf(self, argv: list[str], output_file: str = os.devnull) -> int:
        status, output, errors = perf_stat.run(self._perf_events, argv, output_file)
        self._channel.send(Kind.FILE, "perf/stat.json", output)
        self._channel.send(Kind.FILE, "perf/stderr", errors)
        self._channel.record(wire.PerfStatus(status=status))
        return status

    def spawn(self, argv: list[str], output: Path) -> "subprocess.Popen[bytes]":
        """Start ``argv`` with its output in the file ``output``; stopped after the trial."""
        with output.open("wb") as file:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
            )
        self._children.append(child)
        return child

    def spawn_on_terminal(
        self, argv: list[str], environment: Mapping[str, str] | None = None
    ) -> "Terminal":
        """Start ``argv`` with its output on a terminal of its own, so that it writes each
        line as it has it; with the variables ``environment`` added to our own. Stopped after
        the trial. Raises KernelLacks."""
        ours, theirs = requirements.open_terminal()
        env = {**os.environ, **environment} if environment else None
        child = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)
        self._children.append(child)
        return Terminal(child, ours)

    def run(self, argv: list[str], timeout: float = 600) -> str:
        """Run ``argv`` to its end and return its output. Raises WorkloadFailed."""
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
        text = done.stdout.decode(errors="replace")
        if done.returncode != 0:
            raise WorkloadFailed(f"{' '.join(argv)} ended with {done.returncode}: {text[-500:]}")
        return text

    def stop_children(self) -> None:
        """End everything started with ``spawn``."""
        for child in self._children:
            if child.poll() is None:
                child.kill()
        for child in self._children:
            child.wait()
        self._children.clear()
