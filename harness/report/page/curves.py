# SPDX-License-Identifier: GPL-2.0-only
"""A value for each build along an axis: over cycles, or by the number of programs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.report import wording
from harness.report.page.scales import Scale, linear
from harness.report.page.shapes import (
    CHARACTER,
    TEXT,
    WIDTH,
    Drawing,
    Line,
    Mark,
    Path,
    Shape,
    Text,
    build_style,
    shape_of,
)

LEFT, RIGHT, HEIGHT, TOP = 62.0, 14.0, 150.0, 10.0
KEY = 16.0


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One build: points in the order of x; a y that is not known is None."""

    build: int  # place among the builds of the page
    points: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """A picture's content. ``note``: a sentence that the picture is for, such as a break-even."""

    title: str
    x_title: str
    unit: str  # of y
    curves: tuple[Curve, ...]
    note: str = ""


def drawn(content: Curves, builds: Sequence[str]) -> Drawing | None:
    """The picture; None where fewer than two places are known."""
    xs = sorted({x for curve in content.curves for x, _ in curve.points})
    ys = [y for curve in content.curves for _, y in curve.points if y is not None]
    if len(xs) < 2 or not ys:
        return None
    across = Scale(low=xs[0], high=xs[-1], start=LEFT, length=WIDTH - LEFT - RIGHT)
    up = linear(ys, 0, HEIGHT, binary=content.unit in ("B", "kB"))
    shapes = [*_axes(content, across, up, xs)]
    for curve in content.curves:
        shapes += _curve(curve, across, up, builds[curve.build], content.unit)
    key = list(_key(content, builds))
    shapes += key
    height = TOP + HEIGHT + 2.6 * TEXT + KEY * len(content.curves)
    return Drawing(
        title=content.title,
        description=_words(content, builds),
        height=height,
        shapes=tuple(shapes),
    )


def _y(up: Scale, value: float) -> float:
    return TOP + HEIGHT - up.at(value)


def _axes(content: Curves, across: Scale, up: Scale, xs: Sequence[float]) -> Iterator[Shape]:
    for tick in up.ticks:
        y = _y(up, tick)
        yield Line(x1=LEFT, y1=y, x2=WIDTH - RIGHT, y2=y, style="grid")
        text = wording.number(tick, content.unit)
        yield Text(x=LEFT - 5, y=y + 4, text=text, anchor="end")
    last = -1e9
    for x in xs:
        text = wording.number(x)
        place, half = across.at(x), len(text) * CHARACTER / 2
        if place - half > last + 4:
            yield Text(x=place, y=TOP + HEIGHT + TEXT + 2, text=text, anchor="middle")
            last = place + half
    yield Text(
        x=WIDTH - RIGHT, y=TOP + HEIGHT + 2.2 * TEXT, text=content.x_title, anchor="end",
        style="faint",
    )  # fmt: skip


def _curve(curve: Curve, across: Scale, up: Scale, build: str, unit: str) -> Iterator[Shape]:
    """Joined where neighbours are known: a gap is a value that nobody knows."""
    style = build_style(curve.build)
    piece: list[tuple[float, float]] = []
    for x, y in (*curve.points, (0.0, None)):
        if y is not None:
            piece.append((across.at(x), _y(up, y)))
            continue
        if len(piece) > 1:
            yield Path(points=tuple(piece), style=f"{style} curve")
        piece = []
    for x, y in curve.points:
        if y is not None:
            tip = f"{build}, {wording.number(x)}: {wording.number(y, unit)}"
            yield Mark(
                x=across.at(x),
                y=_y(up, y),
                shape=shape_of(curve.build),
                style=style,
                size=3,
                tip=tip,
            )


def _key(content: Curves, builds: Sequence[str]) -> Iterator[Shape]:
    y = TOP + HEIGHT + 2.6 * TEXT + KEY / 2
    for curve in content.curves:
        style = build_style(curve.build)
        yield Mark(x=LEFT + 4, y=y, shape=shape_of(curve.build), style=style)
        yield Text(x=LEFT + 14, y=y + 4, text=builds[curve.build])
        y += KEY


def _words(content: Curves, builds: Sequence[str]) -> str:
    told = []
    for curve in content.curves:
        points = ", ".join(
            f"{wording.number(x)}: {'not known' if y is None else wording.number(y, content.unit)}"
            for x, y in curve.points
        )
        told.append(f"{builds[curve.build]}: {points}")
    return f"{content.title} by {content.x_title}. {'; '.join(told)}."
