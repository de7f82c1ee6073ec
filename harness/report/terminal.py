# SPDX-License-Identifier: GPL-2.0-only
"""The comparison on a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from harness.analysis import published
from harness.analysis.comparison import Comparison
from harness.analysis.verdicts import FAIL, NOT_RUN
from harness.report import answer
from harness.report.named import TITLE as NAMED_TITLE
from harness.report.named import NamedTable, named_table
from harness.report.screen import TONES, print_answer, print_lines
from harness.report.tables import Line, TextCell, TextTable, table
from harness.report.verdict_table import VerdictTable, verdict_table

TITLE = 28
MAX_TITLE = 44
UNIT = 8
NARROW = 20
"""Widest value or ratio with its interval, in columns; a build's column is no narrower."""
LEFT = 3
"""Columns of named texts that are words."""
WIDE = 43
"""Width of a build's column from which value and ratio stand on one line."""


def render(
    comparison: Comparison,
    console: Console,
    *,
    full: bool = False,
    questions: Mapping[str, str] | None = None,
    paths: Sequence[str] = (),
) -> None:
    """Print the answers of ``comparison`` on ``console``, at the console's width.

    ``full`` adds every reading, in tables. ``questions`` of the workloads and ``paths`` of the
    runs are shown where they are given.
    """
    answers = answer.answers(comparison, questions or {})
    for one in answers:
        print_answer(console, one)
    print_lines(console, "", [f"note: {note}" for note in comparison.notes])
    print_lines(console, "red", [f"problem: {problem}" for problem in comparison.problems])
    if full:
        _print_tables(comparison, console)
    else:
        print_lines(console, "dim", answer.legend(answers))
        print_lines(console, "", answer.whereabouts(comparison, paths))


def _print_tables(comparison: Comparison, console: Console) -> None:
    """Print every reading."""
    for block in comparison.blocks:
        shown = table(block)
        console.print(Rule(Text(_title(shown), style="bold"), align="left", characters="─"))
        console.print(Text(shown.settings))
        console.print(Text(f"params: {shown.params}", style="dim"))
        if shown.lines:
            for piece in _pieces(shown, block.baseline, console.width):
                console.print(piece)
        if block.verdicts is not None:
            _print_verdicts(console, verdict_table(block.verdicts, block.baseline))
        if (named := named_table(block)) is not None:
            _print_named(console, named)
        print_lines(console, "red", [f"failed: {line}" for line in shown.failures])
        print_lines(console, "red", [f"tainted: {line}" for line in shown.taints])
        print_lines(console, "dim", shown.footnotes)
        print_lines(console, "", [f"note: {line}" for line in shown.notes])
        console.print()
    print_lines(console, "dim", [f"runs: {', '.join(comparison.runs)}", *legend(comparison)])


def legend(comparison: Comparison) -> tuple[str, ...]:
    """How to read the tables."""
    lines = [
        "Values: median over seeds (smallest..largest). ×: ratio to the baseline, paired by seed "
        "[95 % interval]. /s: per second of the guest's own time; /op: per operation of the "
        "workload, /1k op: per 1,000 of them. ~: undecided, since the interval spans more than "
        "tenfold, or from a material decrease to a material increase.",
    ]
    if any(block.settings.workload == published.WORKLOAD for block in comparison.blocks):
        lines.append(
            f"2022 reference: published {published.DATE} ({published.CONDITIONS}); walks of all "
            "else on that machine stand in its figures: compare differences to the baseline "
            "(mean over pairs of seeds), never values or ratios."
        )
    return tuple(lines)


def _print_verdicts(console: Console, shown: VerdictTable) -> None:
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
    print_lines(console, "green", shown.fine)
    print_lines(console, "red", shown.new)


def _print_named(console: Console, shown: NamedTable) -> None:
    console.print(Text(NAMED_TITLE, style="bold underline"))
    grid = Table.grid(padding=(0, 2))
    for at in range(len(shown.columns)):
        grid.add_column(justify="left" if at < LEFT else "right", overflow="fold")
    grid.add_row(*(Text(column, style="bold") for column in shown.columns))
    for row in shown.rows:
        tones = {"unknown": TONES["unknown"], "not named": TONES["unknown"]}
        grid.add_row(*(Text(cell, style=tones.get(cell, "")) for cell in row))
    console.print(grid)
    print_lines(console, "dim", shown.notes)


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
        style = "dim" if line.kind in ("difference", "reference") else ""
        cells = [
            _cell(cell, style, layout.wide and width == WIDE)
            for cell, width in zip(line.cells, layout.builds, strict=True)
        ]
        out.add_row(Text(line.title, style=style), Text(line.unit, style="dim"), *cells)
    return out


def _cell(cell: TextCell, style: str, wide: bool) -> Text:
    out = Text(cell.value, style=style or (TONES["unknown"] if cell.tone == "unknown" else ""))
    if cell.ratio:
        out.append(" " if wide else "\n")
        out.append(cell.ratio.rjust(18) if wide else cell.ratio, style=TONES[cell.tone])
    elif wide and not style:
        out.append(" " * 19)
    return out
