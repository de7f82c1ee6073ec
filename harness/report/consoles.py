# SPDX-License-Identifier: GPL-2.0-only
"""The consoles that everything is printed on: nothing that a guest, a kernel or a result says
reaches the terminal but as text."""

import os
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook, RenderResult
from rich.segment import Segment

from harness.printable import printable

PLAIN_WIDTH = 120
"""Width of tables that go to a file or a pipe, unless COLUMNS says another."""


def output() -> Console:
    """A console for standard output: the terminal's width, ``PLAIN_WIDTH`` elsewhere."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    return only_printable(console)


def progress() -> Console:
    """A console for standard error, where lines are as long as they are."""
    return only_printable(Console(stderr=True, highlight=False, soft_wrap=True))


def only_printable(console: Console) -> Console:
    """``console``, on which all that is printed goes through :func:`printable`."""
    console.push_render_hook(_OnlyPrintable())
    return console


class _OnlyPrintable(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Cleaned(one) for one in renderables]


class _Cleaned:
    def __init__(self, renderable: ConsoleRenderable) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from _cleaned(console.render(self._renderable, options))


def _cleaned(segments: Iterable[Segment]) -> Iterable[Segment]:
    for one in segments:
        yield one if one.control else Segment(printable(one.text), one.style)
