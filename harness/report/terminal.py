# SPDX-License-Identifier: GPL-2.0-only
"""The comparison on a terminal."""

from rich import box
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from harness.analysis import reference
from harness.analysis.compare import Comparison
from harness.report.summary import block_sentences
from harness.report.tables import Line, TextCell, TextTable, table

_TONES = {
    "better": "green",
    "worse": "red",
    "same": "yellow",
    "unknown": "magenta",
    "": "",
}
WIDE = 34
"""Width of a build's column from which value and ratio stand on one line."""


def render(comparison: Comparison, console: Console) -> None:
    """Print ``comparison`` on ``console``, at the console's width."""
    console.print(Text(f"runs: {', '.join(comparison.runs)}", overflow="fold"))
    for block in comparison.blocks:
        shown = table(block)
        console.print()
        console.print(Rule(Text(_title(shown), style="bold"), align="left", characters="─"))
        console.print(Text(shown.settings, style="bold"))
        console.print(Text(f"params: {shown.params}", style="dim"))
        if any(line.cells for line in shown.lines):
            console.print(_table(shown, block.baseline, console.width))
        for style, lines in (
            ("red", [f"failed: {line}" for line in shown.failures]),
            ("dim", shown.footnotes),
            ("", [f"note: {line}" for line in shown.notes]),
            ("bold", block_sentences(block)),
        ):
            for line in lines:
                console.print(Text(line, style=style))
    for line in (*legend(comparison), *(f"note: {note}" for note in comparison.notes)):
        console.print(Text(line, style="dim"))
    for problem in comparison.problems:
        console.print(Text(f"problem: {problem}", style="red"))


def legend(comparison: Comparison) -> tuple[str, ...]:
    """How to read the tables."""
    lines = [
        "Values are medians over seeds, with smallest..largest. × is the ratio to the baseline, "
        "in brackets its 95 % interval over seeds (paired by seed where both have it).",
    ]
    if any(block.settings.workload == reference.WORKLOAD for block in comparison.blocks):
        lines.append(
            f"2022 reference: ratios published {reference.DATE} ({reference.CONDITIONS}); "
            "compare ratios, never values."
        )
    return tuple(lines)


def _title(shown: TextTable) -> str:
    return f"{shown.title}: {', '.join(shown.columns)}"


def _table(shown: TextTable, baseline: str, width: int) -> Table:
    out = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    out.add_column("reading", ratio=None, overflow="fold", min_width=22)
    out.add_column("unit", no_wrap=True)
    for build, seeds in zip(shown.columns, shown.seeds, strict=True):
        head = Text(build, style="bold")
        head.append("\nbaseline, " if build == baseline else "\n", style="not bold dim")
        head.append(seeds, style="not bold dim")
        out.add_column(head, justify="right", overflow="fold")
    column = (width - 44) // max(1, len(shown.columns))
    for line in shown.lines:
        out.add_row(*_row(line, len(shown.columns), column >= WIDE))
    return out


def _row(line: Line, columns: int, wide: bool) -> list[Text]:
    if line.kind == "section":
        return [Text(line.title, style="bold underline"), Text(""), *[Text("")] * columns]
    if line.kind == "group":
        return [Text(line.title, style="italic"), Text(""), *[Text("")] * columns]
    style = "dim" if line.kind == "reference" else ""
    return [
        Text(line.title, style=style),
        Text(line.unit, style="dim"),
        *[_cell(cell, style, wide) for cell in line.cells],
    ]


def _cell(cell: TextCell, style: str, wide: bool) -> Text:
    out = Text(cell.value, style=style or (_TONES["unknown"] if cell.tone == "unknown" else ""))
    if cell.ratio:
        out.append("  " if wide else "\n")
        out.append(cell.ratio, style=_TONES[cell.tone])
    return out
