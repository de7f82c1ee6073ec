# SPDX-License-Identifier: GPL-2.0-only
"""What pictures are made of. Lengths are in units of the drawing, about a pixel each."""

from dataclasses import dataclass
from typing import Literal

WIDTH = 360.0
"""Of every drawing: a phone shows it as it is, a desktop two or three side by side."""
TEXT = 12.0
"""Height of a text."""
CHARACTER = 6.6
"""Width that a character of a text takes at most, on average."""

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, kw_only=True)
class Rect:
    """A rectangle; ``tip`` is told where a pointer rests on it."""

    x: float
    y: float
    width: float
    height: float
    style: str  # classes of the style sheet
    tip: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A straight line."""

    x1: float
    y1: float
    x2: float
    y2: float
    style: str


@dataclass(frozen=True, kw_only=True)
class Path:
    """Points that are joined."""

    points: tuple[tuple[float, float], ...]
    style: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point: each build has its own shape, so that colour alone never tells them apart."""

    x: float
    y: float
    shape: int  # place in MARKS
    style: str
    size: float = 4.0
    tip: str = ""


@dataclass(frozen=True, kw_only=True)
class Text:
    """A line of text; ``y`` is its base line."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    style: str = ""


Shape = Rect | Line | Path | Mark | Text


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A picture. ``description`` says in words what it shows, for those who do not see it."""

    title: str
    description: str
    height: float
    shapes: tuple[Shape, ...]
    width: float = WIDTH


MARKS: tuple[tuple[tuple[float, float], ...], ...] = (
    (),  # a circle
    ((-1, -1), (1, -1), (1, 1), (-1, 1)),
    ((0, -1.2), (1.1, 0.9), (-1.1, 0.9)),
    ((0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)),
    ((0, 1.2), (1.1, -0.9), (-1.1, -0.9)),
    ((-1.3, -0.5), (1.3, -0.5), (1.3, 0.5), (-1.3, 0.5)),
)
"""Corners of the shapes of marks, around their middle, for a size of 1."""


def shape_of(place: int) -> int:
    """The mark of the build at ``place``."""
    return place % len(MARKS)


def build_style(place: int) -> str:
    """The colour of the build at ``place``: the class ``b0`` to ``b5``."""
    return f"b{place % len(MARKS)}"


def number(value: float) -> str:
    """A coordinate: at most two decimals, and no ``-0``."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def fitted(text: str, width: float) -> str:
    """``text``, cut where it would be wider than ``width``."""
    most = max(1, int(width / CHARACTER))
    return text if len(text) <= most else text[: most - 1] + "…"
