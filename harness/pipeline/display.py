# SPDX-License-Identifier: GPL-2.0-only
"""Live lines on a terminal: a bar for the step, and below it a line for each thing that runs."""

from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from harness.printable import one_line

BAR_WIDTH = 24


def _none() -> str:
    return ""


class _Computed(ProgressColumn):
    """A text that is asked for whenever the line is drawn, since it changes with the time."""

    def render(self, task: Task) -> Text:
        compute: Callable[[], str] = task.fields["compute"]
        return Text(compute(), no_wrap=True, overflow="ellipsis")


def _text(field: str, *, fills: bool = False) -> TextColumn:
    """A column of one line, cut off where there is no room; ``fills``: takes the rest of it."""
    return TextColumn(
        f"{{task.{field}}}",
        markup=False,
        table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1 if fills else None),
    )


class Display:
    """The live lines, from ``start`` to ``stop``. They leave nothing behind. Thread-safe."""

    def __init__(self, console: Console, title: str) -> None:
        self._step = Progress(
            SpinnerColumn(),
            _text("description"),
            BarColumn(bar_width=BAR_WIDTH),
            _text("fields[counts]"),
            _Computed(table_column=Column(ratio=1)),
            console=console,
            expand=True,
        )
        self._rows = Progress(
            TextColumn(" "),
            _text("description"),
            TimeElapsedColumn(),
            _text("fields[now]", fills=True),
            console=console,
            expand=True,
        )
        self._bar = self._step.add_task(title, total=None, counts="", compute=_none)
        self._by_name: dict[str, TaskID] = {}
        self._live = Live(
            console=console,
            refresh_per_second=10,
            transient=True,
            get_renderable=lambda: Group(self._step, self._rows),
        )

    def start(self) -> None:
        self._live.start(refresh=True)

    def stop(self) -> None:
        self._live.stop()

    def bar(
        self, done: int, total: int | None, counts: str, compute: Callable[[], str] = _none
    ) -> None:
        """Set the bar; it only moves to and fro where ``total`` is not known. ``compute`` gives
        the text after ``counts`` and must not come back to this display."""
        shown = None if total is None or done > total else total
        self._step.update(self._bar, completed=done, total=shown, counts=counts, compute=compute)

    def row(self, name: str, now: str) -> None:
        """The line of ``name``, made if need be: its wall time, and ``now``, what it does."""
        shown = one_line(now)
        if name not in self._by_name:
            self._by_name[name] = self._rows.add_task(name, total=None, now=shown)
        self._rows.update(self._by_name[name], now=shown)

    def drop(self, name: str) -> None:
        """Take the line of ``name`` away."""
        if name in self._by_name:
            self._rows.remove_task(self._by_name.pop(name))
