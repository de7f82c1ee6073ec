# SPDX-License-Identifier: GPL-2.0-only
"""How long loading and unloading took: for each build the quantiles that were recorded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.comparison import Block
from harness.report import wording
from harness.report.page.scales import Scale, logarithmic
from harness.report.page.shapes import (
    TEXT,
    WIDTH,
    Drawing,
    Line,
    Mark,
    Rect,
    Shape,
    Text,
    build_style,
    shape_of,
)

READING = "load.latency"
LEFT, RIGHT = 12.0, 20.0
HEAD, ROW, GAP, AXIS = 20.0, 30.0, 8.0, 30.0


@dataclass(frozen=True, kw_only=True)
class Quantiles:
    """One build, one kind of call: value in ns by quantile, as recorded, medians over seeds."""

    build: int
    values: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Latency:
    """One kind of call."""

    kind: str  # load, unload, attach, detach
    quantiles: tuple[Quantiles, ...]


def latencies(block: Block, builds: Sequence[str]) -> tuple[Latency, ...]:
    """What ``block`` knows of load latencies."""
    rows = [row for row in block.rows if row.metric.name == READING]
    out = []
    for kind in dict.fromkeys(row.label("kind") for row in rows):
        of_kind = [row for row in rows if row.label("kind") == kind]
        found = []
        for build in block.builds:
            values = tuple(
                (row.label("quantile"), summary.median)
                for row in sorted(of_kind, key=lambda r: _rank(r.label("quantile")))
                if (summary := row.cells[build].summary) is not None
            )
            if values:
                found.append(Quantiles(build=builds.index(build), values=values))
        if found:
            out.append(Latency(kind=kind, quantiles=tuple(found)))
    return tuple(out)


def _rank(quantile: str) -> float:
    """Of ``p50``, ``p99`` and ``max``."""
    digits = quantile.removeprefix("p")
    return float(digits) if digits.replace(".", "", 1).isdecimal() else 100.0


def drawn(title: str, given: Sequence[Latency], builds: Sequence[str]) -> Drawing | None:
    """The picture; None without latencies."""
    values = [v for one in given for q in one.quantiles for _, v in q.values]
    if not values:
        return None
    scale = logarithmic(values, LEFT, WIDTH - LEFT - RIGHT)
    shapes: list[Shape] = []
    top = 0.0
    for one in given:
        shapes.append(Text(x=LEFT, y=top + TEXT, text=one.kind, style="strong"))
        top += HEAD
        for quantiles in one.quantiles:
            shapes += _range(quantiles, scale, top, builds[quantiles.build])
            top += ROW
        top += GAP
    grid: list[Shape] = []
    for tick in scale.ticks:
        x = scale.at(tick)
        grid.append(Line(x1=x, y1=0, x2=x, y2=top, style="grid"))
        grid.append(Text(x=x, y=top + TEXT, text=_time(tick), anchor="middle"))
    names = " · ".join(name for name, _ in given[0].quantiles[0].values)
    grid.append(
        Text(x=LEFT, y=top + 2.2 * TEXT, text=f"from left to right: {names}", style="faint")
    )
    return Drawing(
        title=title,
        description=_words(given, builds),
        height=top + AXIS,
        shapes=(*grid, *shapes),
    )


def _range(one: Quantiles, scale: Scale, top: float, build: str) -> Iterator[Shape]:
    style = build_style(one.build)
    yield Text(x=LEFT, y=top + TEXT, text=build)
    y = top + TEXT + 8
    first, last = scale.at(one.values[0][1]), scale.at(one.values[-1][1])
    yield Rect(x=first, y=y - 1.5, width=max(last - first, 1), height=3, style=style)
    for name, value in one.values:
        tip = f"{build}, {name}: {_time(value)}"
        yield Mark(
            x=scale.at(value), y=y, shape=shape_of(one.build), style=style, size=3.5, tip=tip
        )


def _time(ns: float) -> str:
    """``1.5 ms``."""
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= size:
            return f"{wording.number(ns / size)} {unit}"
    return f"{wording.number(ns)} ns"


def _words(given: Sequence[Latency], builds: Sequence[str]) -> str:
    told = [
        f"{one.kind}, {builds[q.build]}: " + ", ".join(f"{n} {_time(v)}" for n, v in q.values)
        for one in given
        for q in one.quantiles
    ]
    return "; ".join(told) + "."


def table(given: Sequence[Latency], builds: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """Call, build, and a time for each quantile: the picture's figures."""
    names = tuple(dict.fromkeys(n for one in given for q in one.quantiles for n, _ in q.values))
    head = ("call", "build", *names)
    body = [
        (one.kind, builds[q.build], *(_told(dict(q.values).get(name)) for name in names))
        for one in given
        for q in one.quantiles
    ]
    return (head, *body)


def _told(value: float | None) -> str:
    return "not known" if value is None else _time(value)
