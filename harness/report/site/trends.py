# SPDX-License-Identifier: GPL-2.0-only
"""The readings that decide, night by night, and since when each build has read as it does."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.analysis.comparison import Block, Comparison, Per
from harness.analysis.history import Change, History, Kind
from harness.model.reading import Source
from harness.report import wording
from harness.report.decisive import Decided, decided
from harness.report.page.scales import Scale
from harness.report.page.shapes import Drawing, Mark, Path, Shape, build_style
from harness.report.tables import scale_of, unit

WIDTH, HEIGHT, MARGIN = 150.0, 30.0, 4.0


class TrendKey(NamedTuple):
    """What a trend follows from night to night."""

    workload: str
    settings: str
    pti: str
    title: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class Trend:
    """One build in one reading. ``values``: a night each, None where it is not known."""

    build: str
    values: tuple[float | None, ...]
    last: str  # the newest night's value in words
    since: str  # the night of the last change that is not known to be luck; "": there is none
    change: str  # by how much it changed then
    tone: str  # better | worse | "" of that change
    drawing: Drawing | None


@dataclass(frozen=True, kw_only=True)
class TrendRow:
    """One reading."""

    key: TrendKey
    better: str  # lower | higher | "": neither by itself
    trends: tuple[Trend, ...]


def rows(comparisons: Sequence[Comparison], given: History) -> tuple[TrendRow, ...]:
    """A row for each reading that decides on the newest night; ``comparisons`` of single runs in
    the order of the nights of ``given``."""
    found: dict[TrendKey, dict[str, dict[int, float | None]]] = {}
    lines: dict[TrendKey, tuple[Block, Decided]] = {}
    for number, comparison in enumerate(comparisons):
        for key, block, line in _lines(comparison):
            lines[key] = (block, line)
            for build in block.builds:
                summary = line.row.cells[build].summary
                by_night = found.setdefault(key, {}).setdefault(build, {})
                by_night[number] = None if summary is None else summary.median
    last = len(comparisons) - 1
    newest = [key for key in found if any(last in by_night for by_night in found[key].values())]
    changed = _last_changes(given)
    return tuple(
        TrendRow(
            key=key,
            better=lines[key][1].row.metric.better,
            trends=tuple(
                _trend(build, place, by_night, lines[key], len(comparisons), changed)
                for place, (build, by_night) in enumerate(found[key].items())
            ),
        )
        for key in newest
    )


def _lines(comparison: Comparison) -> Iterator[tuple[TrendKey, Block, Decided]]:
    for block in comparison.blocks:
        settings = wording.settings_line(block.settings, without=("pti",))
        for line in decided(block):
            if line.curve is None:
                key = TrendKey(
                    block.settings.workload,
                    f"{settings}  {wording.params_line(block.settings)}",
                    str(block.settings.pti),
                    line.title,
                    _unit(line),
                )
                yield key, block, line


def _unit(line: Decided) -> str:
    shown = unit(line.row, 1)
    return shown if line.row.per is not Per.TOTAL else ""


ReadingKey = tuple[str, str, str, str, Source, tuple[tuple[str, str], ...]]
"""Workload, isolation, build, name, source, labels without the window."""


def _last_changes(given: History) -> dict[ReadingKey, tuple[str, Change]]:
    """The last change of each reading that is not known to be luck, and the day of its night."""
    days = {night.run: night.created[:10] for night in given.nights}
    out: dict[ReadingKey, tuple[str, Change]] = {}
    for step in given.steps:
        for change in step.changes:
            if change.kind is not Kind.LAYOUT:
                labels = tuple(pair for pair in change.labels if pair[0] != "window")
                head = (step.settings.workload, str(step.settings.pti), step.build)
                key = (*head, change.metric.name, change.source, labels)
                out[key] = (days[step.run], change)
    return out


def _trend(
    build: str,
    place: int,
    by_night: Mapping[int, float | None],
    where: tuple[Block, Decided],
    nights: int,
    changed: Mapping[ReadingKey, tuple[str, Change]],
) -> Trend:
    block, line = where
    row = line.row
    values = tuple(by_night.get(number) for number in range(nights))
    head = (block.settings.workload, str(block.settings.pti), build)
    since, change = changed.get((*head, row.metric.name, row.source, row.labels), ("", None))
    scale = scale_of(row)
    newest = values[-1]
    tone = "" if change is None else "worse" if change.worse else "better" if change.better else ""
    how = ""
    if change is not None:
        real = change.kind is Kind.REAL and change.ratio is not None
        how = wording.brief(change.ratio) if real and change.ratio else f"({change.kind.value})"
    return Trend(
        build=build,
        values=values,
        last="not known" if newest is None else wording.number(newest * scale, row.unit),
        since=since,
        change=how,
        tone=tone,
        drawing=sparkline(build, place, values, row.unit),
    )


def sparkline(build: str, place: int, values: Sequence[float | None], unit_: str) -> Drawing | None:
    """The values as a line, from the smallest to the largest; None where fewer than two nights
    are known."""
    known = [(i, v) for i, v in enumerate(values) if v is not None]
    if len(known) < 2:
        return None
    low, high = min(v for _, v in known), max(v for _, v in known)
    across = Scale(low=0, high=len(values) - 1, start=MARGIN, length=WIDTH - 2 * MARGIN)
    room = HEIGHT - 2 * MARGIN
    up = Scale(low=low, high=high, start=0, length=room) if high > low else None

    def point(i: int, value: float) -> tuple[float, float]:
        return across.at(i), HEIGHT - MARGIN - (up.at(value) if up else room / 2)

    style = build_style(place)
    shapes: list[Shape] = []
    piece: list[tuple[float, float]] = []
    for i, value in enumerate((*values, None)):
        if value is not None:
            piece.append(point(i, value))
            continue
        if len(piece) > 1:
            shapes.append(Path(points=tuple(piece), style=f"{style} curve"))
        piece = []
    x, y = point(*known[-1])
    shapes.append(Mark(x=x, y=y, shape=0, style=style, size=2.5))
    first, last = (wording.number(v, unit_) for v in (known[0][1], known[-1][1]))
    ends = f"{wording.number(low, unit_)} to {wording.number(high, unit_)}"
    return Drawing(
        title=f"{build} over {wording.plural(len(known), 'night')}",
        description=f"From {first} to {last}, between {ends}.",
        height=HEIGHT,
        width=WIDTH,
        shapes=tuple(shapes),
    )
