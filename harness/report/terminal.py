# SPDX-License-Identifier: GPL-2.0-only
"""The comparison on a terminal."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from harness.analysis import reference
from harness.analysis.compare import Comparison
from harness.analysis.verdicts import FAIL, NOT_RUN
from harness.report.summary import sentences
from harness.report.tables import Line, TextCell, TextTable, table
from harness.report.verdicts import VerdictTable, verdict_table

_TONES = {"better": "green", "worse": "red", "same": "yellow", "unknown": "magenta", "": ""}

TITLE = 28
MAX_TITLE = 44
UNIT = 8
NARROW = 20
"""Widest value or ratio with its interval, in columns; a build's column is no narrower."""
WIDE = 43
"""Width of a build's column from which value and ratio stand on one line."""


PLAIN_WIDTH = 120
"""Width of tables that go to a file or a pipe, unless COLUMNS says another."""


def output() -> Console:
    """A console for standard output: the terminal's width, ``PLAIN_WIDTH`` elsewhere."""
    console = Console(highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        return Console(highlight=False, width=PLAIN_WIDTH)
    return console


def render(comparison: Comparison, console: Console, *, full: bool = False) -> None:
    """Print ``comparison`` on ``console``, at the console's width.

    ``full`` shows every origin per operation and every edge of the facts as well.
    """
    for block in comparison.blocks:
        shown = table(block, full=full)
        console.print(Rule(Text(_title(shown), style="bold"), align="left", characters="─"))
        console.print(Text(shown.settings))
        console.print(Text(f"params: {shown.params}", style="dim"))
        if shown.lines:
            for piece in _pieces(shown, block.baseline, console.width):
                console.print(piece)
        if block.verdicts is not None:
            _verdicts(console, verdict_table(block.verdicts, block.baseline, full=full))
        _print(console, "red", [f"failed: {line}" for line in shown.failures])
        _print(console, "dim", shown.footnotes)
        _print(console, "", [f"note: {line}" for line in shown.notes])
        console.print()
    _print(console, "dim", [f"runs: {', '.join(comparison.runs)}", *legend(comparison)])
    _print(console, "", [f"note: {note}" for note in comparison.notes])
    _print(console, "red", [f"problem: {problem}" for problem in comparison.problems])
    found = sentences(comparison)
    if found:
        console.print(Text("\nWhat was found", style="bold"))
        _print(console, "", [f"- {line}" for line in found])


def legend(comparison: Comparison) -> tuple[str, ...]:
    """How to read the tables."""
    lines = [
        "Values: median over seeds (smallest..largest). ×: ratio to the baseline, paired by seed "
        "[95 % interval]. /s: per second of the guest's own time; /op: per operation of the "
        "workload, /1k op: per 1,000 of them.",
    ]
    if any(block.settings.workload == reference.WORKLOAD for block in comparison.blocks):
        lines.append(
            f"2022 reference: ratios published {reference.DATE} ({reference.CONDITIONS}); "
            "compare ratios, never values."
        )
    return tuple(lines)


def _print(console: Console, style: str, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(Text(line, style=style))


def _verdicts(console: Console, shown: VerdictTable) -> None:
    console.print(Text("verdicts of the kernel's own tests", style="bold underline"))
    grid = Table.grid(padding=(0, 2))
    grid.add_column(overflow="fold", max_width=console.width // 2)
    for _ in shown.columns:
        grid.add_column(justify="right")
    grid.add_row("", *(Text(build, style="bold") for build in shown.columns))
    for title, *cells in shown.counts:
        grid.add_row(title, *cells)
    for test, *words in shown.rows:
        tones = {FAIL: "red", NOT_RUN: "magenta"}
        grid.add_row(Text(f"  {test}"), *(Text(word, style=tones.get(word, "")) for word in words))
    console.print(grid)
    if shown.left:
        console.print(Text(f"  and {shown.left} more that differ or fail: see --full", style="dim"))
    _print(console, "green", shown.fine)
    _print(console, "red", shown.new)


def _title(shown: TextTable) -> str:
    return f"{shown.title}: {' | '.join(shown.columns)}"


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Widths of the columns: title and each build; ``wide`` puts value and ratio on a line."""

    title: int
    builds: tuple[int, ...]
    wide: bool

    @classmethod
    def of(cls, shown: TextTable, baseline: str, width: int) -> "_Layout":
        others = sum(build != baseline for build in shown.columns)
        space = width - UNIT - 1 - (NARROW + 1) * (len(shown.columns) - others)
        wide = space - TITLE >= others * (WIDE + 1)
        column = WIDE if wide else NARROW
        title = max(TITLE, min(MAX_TITLE, space - others * (column + 1)))
        builds = (NARROW if build == baseline else column for build in shown.columns)
        return cls(title=title, builds=tuple(builds), wide=wide)


def _pieces(shown: TextTable, baseline: str, width: int) -> Iterator[Table | Text]:
    """Headings as lines of their own, the lines between them as tables of equal columns."""
    layout = _Layout.of(shown, baseline, width)
    head = _grid(layout)
    head.add_row("", "", *_heads(shown, baseline))
    yield head
    rows: list[Line] = []
    for line in shown.lines:
        if line.cells:
            rows.append(line)
            continue
        if rows:
            yield _rows(rows, layout)
            rows = []
        yield Text(line.title, style="bold underline" if line.kind == "section" else "italic")
    if rows:
        yield _rows(rows, layout)


def _heads(shown: TextTable, baseline: str) -> Iterator[Text]:
    for build, seeds, failed in zip(shown.columns, shown.seeds, shown.failed, strict=True):
        out = Text(build, style="bold")
        out.append("\nbaseline" if build == baseline else "", style="not bold dim")
        out.append(f"\n{seeds}", style="not bold dim")
        out.append(f"\n{failed} failed" if failed else "", style="not bold red")
        yield out


def _grid(layout: _Layout) -> Table:
    out = Table.grid(padding=(0, 1))
    out.add_column(width=layout.title, overflow="fold")
    out.add_column(width=UNIT, no_wrap=True)
    for width in layout.builds:
        out.add_column(width=width, justify="right", overflow="fold")
    return out


def _rows(lines: Sequence[Line], layout: _Layout) -> Table:
    out = _grid(layout)
    for line in lines:
        style = "dim" if line.kind == "reference" else ""
        cells = [
            _cell(cell, style, layout.wide and width == WIDE)
            for cell, width in zip(line.cells, layout.builds, strict=True)
        ]
        out.add_row(Text(line.title, style=style), Text(line.unit, style="dim"), *cells)
    return out


def _cell(cell: TextCell, style: str, wide: bool) -> Text:
    out = Text(cell.value, style=style or (_TONES["unknown"] if cell.tone == "unknown" else ""))
    if cell.ratio:
        out.append(" " if wide else "\n")
        out.append(cell.ratio.rjust(18) if wide else cell.ratio, style=_TONES[cell.tone])
    elif wide and not style:
        out.append(" " * 19)
    return out
