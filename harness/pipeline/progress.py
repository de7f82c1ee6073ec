# SPDX-License-Identifier: GPL-2.0-only
"""What long steps say while they run: live lines on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from harness.kernel import Steps
from harness.model.specs import TrialSpec
from harness.pipeline import estimate
from harness.pipeline.display import Display
from harness.report import consoles

PLAIN_EVERY_S = 30.0
"""On a log, a step that says nothing new is told to be still running this often."""

Clock = Callable[[], float]


class Progress:
    """Says which step runs. Thread-safe; all of it goes to standard error."""

    def __init__(
        self,
        console: Console | None = None,
        quiet: bool = False,
        clock: Clock = time.monotonic,
    ) -> None:
        self.console = console or consoles.progress()
        self.quiet = quiet
        self._clock = clock
        self._lock = threading.Lock()
        self._display: Display | None = None
        self._build_began = 0.0
        self._last = clock()

    def say(self, text: str) -> None:
        """A line that stays."""
        if self.quiet:
            return
        with self._lock:
            self.console.print(escape(text))
            self._last = self._clock()

    def detail(self, text: str) -> None:
        """What the running step does now: replaces the live line; rare lines on a log."""
        if self.quiet:
            return
        if self._display is not None:
            self._display.row("", text)
            return
        with self._lock:
            if not self.console.is_terminal and self._clock() - self._last > PLAIN_EVERY_S:
                self.console.print(escape(f"  ... {text}"))
                self._last = self._clock()

    def steps(self, build: Steps) -> None:
        """How far the build that runs in this step is: the bar on a terminal, else nothing."""
        if self._display is None:
            return
        if build.done == 0:
            self._build_began = self._clock()
        began = self._build_began
        of = "" if build.expected is None else f" of about {build.expected:,}"
        left = f", {build.builds_left} more to build" if build.builds_left else ""

        def compute() -> str:
            seconds = self._clock() - began
            return estimate.in_words(estimate.build_seconds(build.done, build.expected, seconds))

        self._display.bar(build.done, build.expected, f"{build.done:,}{of} steps{left}", compute)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step with its name before and its wall time after."""
        began = self._clock()
        self.say(title)
        display = None
        if self.console.is_terminal and not self.quiet and self._display is None:
            display = self._display = Display(self.console, title)
            display.start()
        try:
            yield
        finally:
            if display is not None:
                self._display = None
                display.stop()
        took = self._clock() - began
        if took >= 2:
            self.say(f"  done in {took:.0f} s")

    @contextmanager
    def beside(self, title: str) -> Iterator[Callable[[str], None]]:
        """What runs beside the step, in a thread of its own: gives its ``detail``, which on a
        terminal has a line of its own for as long as the step or this runs."""

        def detail(text: str) -> None:
            display = self._display
            if display is not None:
                display.row(title, text)
            else:
                self.detail(f"{title}: {text}")

        try:
            yield detail
        finally:
            if (display := self._display) is not None:
                display.drop(title)

    @contextmanager
    def trials(self, specs: Sequence[TrialSpec], jobs: int) -> Iterator["Trials"]:
        """The step of the trials, ``jobs`` side by side."""
        with self.step("trials"):
            yield Trials(specs, jobs, self._display, self.detail, self._clock)


class Trials:
    """The trials of a run: which run, how many are left, and for how long. Thread-safe.

    Its lock is never held while the display is called, which asks for the estimate under
    locks of its own.
    """

    def __init__(
        self,
        specs: Sequence[TrialSpec],
        jobs: int,
        display: Display | None,
        plain: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._display = display
        self._plain = plain
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting = {spec.id: spec.workload for spec in specs}
        self._running: dict[str, tuple[str, float]] = {}  # kind, and when it began
        self._ended: dict[str, list[float]] = {}
        self._total = len(specs)
        self._show()

    def began(self, trial: str) -> None:
        """``trial`` (a TrialSpec.id) is booted now."""
        with self._lock:
            self._running[trial] = (self._waiting.pop(trial), self._clock())
        if self._display is not None:
            self._display.row(trial, "")

    def detail(self, trial: str, text: str) -> None:
        """What ``trial`` does now."""
        if self._display is not None:
            self._display.row(trial, text)
        else:
            self._plain(f"{trial}: {text}")

    def ended(self, trial: str, seconds: float) -> None:
        """``trial`` took ``seconds`` of wall time; 0 where it was not booted at all."""
        with self._lock:
            kind, _ = self._running.pop(trial)
            if seconds > 0:
                self._ended.setdefault(kind, []).append(seconds)
        if self._display is not None:
            self._display.drop(trial)
        self._show()

    def estimate(self) -> float | None:
        """Wall seconds until all have ended, from those that have; None before the first."""
        with self._lock:
            now = self._clock()
            running = [
                estimate.Running(kind=kind, seconds=now - began)
                for kind, began in self._running.values()
            ]
            waiting = list(self._waiting.values())
            return estimate.trials_seconds(self._ended, running, waiting, self._jobs)

    def _show(self) -> None:
        if self._display is None:
            return
        with self._lock:
            left = len(self._waiting) + len(self._running)
        done = self._total - left
        self._display.bar(
            done,
            self._total,
            f"{done} of {self._total}, {left} left",
            lambda: estimate.in_words(self.estimate()),
        )
