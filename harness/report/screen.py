# SPDX-License-Identifier: GPL-2.0-only
"""An answer on a terminal: one table, then what it says in words."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from harness.report.answer import Answer, AnswerLine, Column
from harness.report.tables import TextCell

TONES = {"better": "green", "worse": "red", "same": "yellow", "unknown": "magenta", "": ""}

MAX_TITLE = 34
"""Widest title of a line; longer ones are wrapped."""
GAP = 2
"""Space before each column; one more before another isolation setting."""


def print_answer(console: Console, answer: Answer) -> None:
    """Print ``answer`` at the console's width."""
    console.print(Rule(Text(title(answer), style="bold"), align="left", characters="─"))
    if answer.question:
        console.print(Text(answer.question, style="bold"))
    console.print(Text(f"{answer.settings}  {answer.params}  {answer.seeds}", style="dim"))
    if answer.lines:
        for line in answer_table(answer, console.width):
            console.print(line)
    if answer.arithmetic or answer.verdicts:
        console.print()
    print_lines(console, "", answer.arithmetic)
    for verdict in answer.verdicts:
        text = Text(f"{verdict.build}, {verdict.pti}: ", style="bold")
        console.print(text.append(verdict.sentence, style="not bold"))
    for test in answer.tests:
        print_lines(console, TONES[test.tone], [test.value])
    print_lines(console, "magenta", [f"not counted: {line}" for line in answer.uncounted])
    print_lines(console, "red", [f"failed: {line}" for line in answer.failures])
    print_lines(console, "red", [f"tainted: {line}" for line in answer.taints])
    print_lines(console, "", [f"note: {line}" for line in answer.notes])
    console.print()


def print_lines(console: Console, style: str, lines: Sequence[str]) -> None:
    """Print ``lines``, each wrapped at the console's width."""
    for line in lines:
        console.print(Text(line, style=style))


def title(answer: Answer) -> str:
    """Which builds are compared by what."""
    builds = list(dict.fromkeys(column.build for column in answer.columns))
    others = [build for build in builds if build != answer.baseline]
    if not answer.baseline or not others:
        return f"{answer.workload}: {', '.join(builds)}"
    return f"{answer.workload}: {', '.join(others)} against {answer.baseline}"


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """Widths of the title and of each column; ``stacked`` puts ratios below values."""

    title: int
    columns: tuple["_Column", ...]
    stacked: bool

    def width(self, answer: Answer) -> int:
        """Of a whole line."""
        ptis = {answer.columns[column.at].pti for column in self.columns}
        return self.title + sum(GAP + column.width for column in self.columns) + len(ptis) - 1


@dataclass(frozen=True, kw_only=True)
class _Column:
    at: int  # position in the answer
    width: int
    ratio: int  # widest ratio


def answer_table(answer: Answer, width: int) -> Iterator[Text]:
    """The lines of ``answer``: all settings side by side where they fit, else one table below
    the other."""
    every = tuple(range(len(answer.columns)))
    for stacked in (False, True):
        layout = _layout(answer, every, stacked)
        if layout.width(answer) <= width:
            yield from _table(answer, layout)
            return
    for _, group in groupby(every, key=lambda at: answer.columns[at].pti):
        columns = tuple(group)
        layout = _layout(answer, columns, stacked=False)
        if layout.width(answer) <= width:
            yield from _table(answer, layout)
            continue
        for part in _parts(answer, columns, width):
            yield from _table(answer, _layout(answer, part, stacked=True))


def _parts(answer: Answer, columns: Sequence[int], width: int) -> Iterator[tuple[int, ...]]:
    """``columns`` in as many parts as it takes, the baseline in each."""
    base = [at for at in columns if answer.columns[at].build == answer.baseline]
    part = list(base)
    for at in (at for at in columns if at not in base):
        wider = (*part, at)
        if len(part) > len(base) and _layout(answer, wider, stacked=True).width(answer) > width:
            yield tuple(part)
            part = list(base)
        part.append(at)
    yield tuple(part)


def _layout(answer: Answer, columns: Sequence[int], stacked: bool) -> _Layout:
    return _Layout(
        title=min(MAX_TITLE, max(len(_words(line)) for line in answer.lines)),
        columns=tuple(_column(answer, at, stacked) for at in columns),
        stacked=stacked,
    )


def _column(answer: Answer, at: int, stacked: bool) -> _Column:
    cells = [line.cells[at] for line in answer.lines]
    value, ratio = max(len(cell.value) for cell in cells), max(len(cell.ratio) for cell in cells)
    widest = max(value, ratio) if stacked or not ratio else value + 1 + ratio
    head = answer.columns[at]
    return _Column(at=at, width=max(widest, len(head.build), len(head.remark)), ratio=ratio)


def _words(line: AnswerLine) -> str:
    return f"{line.title} {line.unit}".rstrip()


def _table(answer: Answer, layout: _Layout) -> Iterator[Text]:
    heads = [answer.columns[column.at] for column in layout.columns]
    gaps = [GAP + (at > 0 and _begins(heads, at)) for at in range(len(heads))]
    rows = (
        (
            [f"pti={head.pti}" if _begins(heads, at) else "" for at, head in enumerate(heads)],
            "bold",
        ),
        ([head.build for head in heads], "bold"),
        ([head.remark for head in heads], "red"),
    )
    yield Text()
    for words, style in rows:
        if any(words):
            out = Text(" " * layout.title)
            for word, gap, column in zip(words, gaps, layout.columns, strict=True):
                out.append(" " * gap).append(word.rjust(column.width), style=style)
            yield out
    for line in answer.lines:
        yield from _row(line, layout, gaps)


def _begins(heads: Sequence[Column], at: int) -> bool:
    """The first column of an isolation setting."""
    return at == 0 or heads[at].pti != heads[at - 1].pti


def _row(line: AnswerLine, layout: _Layout, gaps: Sequence[int]) -> Iterator[Text]:
    titles = textwrap.wrap(_words(line), layout.title)
    cells = [line.cells[column.at] for column in layout.columns]
    below = layout.stacked and any(cell.ratio for cell in cells)
    for level in range(max(len(titles), 1 + below)):
        out = Text((titles[level] if level < len(titles) else "").ljust(layout.title))
        for cell, gap, column in zip(cells, gaps, layout.columns, strict=True):
            out.append(" " * gap).append(_cell(cell, column, layout.stacked, level))
        yield out


def _cell(cell: TextCell, column: _Column, stacked: bool, level: int) -> Text:
    """Line ``level`` of a cell: its value, and below it or beside it its ratio."""
    value_style = TONES["unknown"] if cell.tone == "unknown" else ""
    if level:
        below = cell.ratio if stacked and level == 1 else ""
        return Text(below.rjust(column.width), style=TONES[cell.tone])
    if stacked:
        return Text(cell.value.rjust(column.width), style=value_style)
    out = Text(cell.value, style=value_style)
    if column.ratio and len(cell.value) + 1 + column.ratio <= column.width:
        out.append(" ").append(cell.ratio.ljust(column.ratio), style=TONES[cell.tone])
    return Text(" " * (column.width - len(out))).append(out)
