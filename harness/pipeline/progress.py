# SPDX-License-Identifier: GPL-2.0-only
"""What long steps say while they run: a live line on a terminal, plain lines elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.status import Status as Spinner

PLAIN_EVERY_S = 30.0
"""On a log, a step that says nothing new is told to be still running this often."""


class Progress:
    """Says which step runs. Thread-safe; all of it goes to standard error."""

    def __init__(self, console: Console | None = None, quiet: bool = False) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.quiet = quiet
        self._lock = threading.Lock()
        self._spinner: Spinner | None = None
        self._last = time.monotonic()

    def say(self, text: str) -> None:
        """A line that stays."""
        if self.quiet:
            return
        with self._lock:
            self.console.print(escape(text))
            self._last = time.monotonic()

    def detail(self, text: str) -> None:
        """What the running step does now: replaces the live line; rare lines on a log."""
        if self.quiet:
            return
        with self._lock:
            if self._spinner is not None:
                room = max(20, self.console.width - 4)
                self._spinner.update(escape(text[:room]))
            elif not self.console.is_terminal and time.monotonic() - self._last > PLAIN_EVERY_S:
                self.console.print(escape(f"  ... {text}"))
                self._last = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step with its name before and its wall time after."""
        began = time.monotonic()
        self.say(title)
        live = self.console.is_terminal and not self.quiet and self._spinner is None
        if live:
            self._spinner = self.console.status(escape(title))
            self._spinner.start()
        try:
            yield
        finally:
            if live and self._spinner is not None:
                self._spinner.stop()
                self._spinner = None
        took = time.monotonic() - began
        if took >= 2:
            self.say(f"  done in {took:.0f} s")
