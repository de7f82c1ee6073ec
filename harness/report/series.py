# SPDX-License-Identifier: GPL-2.0-only
"""Rows that differ by their cycle only, as one line: a curve of a few points."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.analysis.comparison import Row
from harness.report import wording

CYCLE = "cycle"
POINTS = 7
"""At most this many cycles are shown; exports have all."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Rows of one reading, cycle by cycle; ``row`` is the first without its cycle."""

    row: Row
    rows: tuple[Row, ...]

    @property
    def shown(self) -> tuple[Row, ...]:
        """The first cycle, the last, and some between, evenly."""
        last = len(self.rows) - 1
        if last < POINTS:
            return self.rows
        return tuple(self.rows[round(i * last / (POINTS - 1))] for i in range(POINTS))

    @property
    def title(self) -> str:
        """Which cycles are shown."""
        return "cycle " + ", ".join(row.label(CYCLE) for row in self.shown)

    def cell(self, build: str) -> str:
        """The medians of ``build``: ``0 → 12 → 15``; one value where all are equal."""
        words = []
        for row in self.shown:
            summary = row.cells[build].summary
            words.append("?" if summary is None else wording.number(summary.median, row.unit))
        return words[0] if len(set(words)) == 1 else " → ".join(words)


def key(row: Row) -> tuple[object, ...]:
    """What rows of one series have in common."""
    return (row.metric.name, row.source, without_cycle(row), row.window, row.per)


def without_cycle(row: Row) -> tuple[tuple[str, str], ...]:
    """The labels of ``row`` but its cycle."""
    return tuple((name, value) for name, value in row.labels if name != CYCLE)


def fold(rows: Iterable[Row]) -> list[Row | Series]:
    """``rows`` with those of cycles put together, where the first of them stood."""
    out: list[Row | list[Row]] = []
    by_key: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        if not row.label(CYCLE):
            out.append(row)
        elif key(row) in by_key:
            by_key[key(row)].append(row)
        else:
            by_key[key(row)] = [row]
            out.append(by_key[key(row)])
    return [one if isinstance(one, Row) else _series(one) for one in out]


def _series(rows: Sequence[Row]) -> Series:
    ordered = sorted(rows, key=lambda row: _number(row.label(CYCLE)))
    return Series(row=replace(rows[0], labels=without_cycle(rows[0])), rows=tuple(ordered))


def _number(cycle: str) -> tuple[int, str]:
    return (int(cycle), "") if cycle.isdecimal() else (1 << 30, cycle)
