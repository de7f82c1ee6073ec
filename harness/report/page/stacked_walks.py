# SPDX-License-Identifier: GPL-2.0-only
"""Walks by the text that caused them: a bar for each build, in parts."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.comparison import Block, Per, Row
from harness.metrics.catalogue import ORIGIN_TITLES
from harness.model.reading import Source
from harness.report import wording
from harness.report.page.scales import Scale, linear
from harness.report.page.shapes import TEXT, WIDTH, Drawing, Line, Rect, Shape, Text, fitted
from harness.report.walk_parts import PARTS, SIZES

LEFT, WORDS = 8.0, 70.0
HEAD, NAME, BAR, GAP = 20.0, 15.0, 14.0, 7.0


def part_style(place: int) -> str:
    """The colour of the part at ``place`` of PARTS."""
    return f"o{place}"


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One build: its parts, in the order of PARTS, and all of it; None: not known."""

    build: str
    parts: tuple[float | None, ...]
    total: float | None
    why: str = ""  # it is not known


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Walks of one page size."""

    title: str
    unit: str
    bars: tuple[Bar, ...]


def walks(block: Block) -> tuple[Bars, ...]:
    """Walks of each size of which there are any, per second where the window has a length."""
    out = []
    for name, title in SIZES.items():
        rows = [r for r in block.rows if r.metric.name == name and r.source is Source.MODEL]
        rows = [r for r in rows if r.window in block.windows[:1] and not r.label("cycle")]
        per = next((p for p in (Per.SECOND, Per.TOTAL) if any(r.per is p for r in rows)), None)
        by_origin = {r.label("origin"): r for r in rows if r.per is per}
        if "all" not in by_origin:
            continue
        bars = tuple(_bar(build, by_origin) for build in block.builds)
        if any(bar.total for bar in bars):
            unit = "a second" if per is Per.SECOND else "in the window"
            out.append(Bars(title=title, unit=unit, bars=bars))
    return tuple(out)


def _bar(build: str, by_origin: dict[str, Row]) -> Bar:
    def middle(origin: str) -> float | None:
        if origin not in by_origin:
            return None
        summary = by_origin[origin].cells[build].summary
        return None if summary is None else summary.median

    unknown = by_origin["all"].cells[build].unknown
    why = wording.STATUS_WORDS[unknown[0].status] if unknown else "no result"
    return Bar(build=build, parts=tuple(map(middle, PARTS)), total=middle("all"), why=why)


def axis(groups: Iterable[Bars]) -> Scale:
    """An axis that has room for all of ``groups``: pictures beside each other share one."""
    totals = [bar.total for group in groups for bar in group.bars if bar.total is not None]
    return linear(totals, LEFT, WIDTH - LEFT - WORDS)


def stacked(title: str, groups: Sequence[Bars], scale: Scale) -> Drawing | None:
    """The picture on the axis ``scale``, one for all sizes; None without walks."""
    if not groups:
        return None
    shapes: list[Shape] = []
    top = 0.0
    for group in groups:
        shapes.append(
            Text(x=LEFT, y=top + TEXT, text=f"{group.title} {group.unit}", style="strong")
        )
        top += HEAD
        for bar in group.bars:
            shapes.append(Text(x=LEFT, y=top + TEXT - 1, text=fitted(bar.build, WIDTH - LEFT)))
            top += NAME
            shapes += _parts(bar, scale.start, scale.length / scale.high, top)
            top += BAR + GAP
        top += GAP
    shapes.append(Line(x1=LEFT, y1=HEAD, x2=LEFT, y2=top - GAP, style="axis"))
    return Drawing(title=title, description=_words(groups), height=top, shapes=tuple(shapes))


def _parts(bar: Bar, x: float, per_unit: float, top: float) -> Iterator[Shape]:
    if bar.total is None:
        yield Text(x=x + 4, y=top + TEXT - 1, text=bar.why, style="unknown")
        return
    for place, (origin, value) in enumerate(zip(PARTS, bar.parts, strict=True)):
        if not value:
            continue
        width = value * per_unit
        tip = f"{bar.build}, {ORIGIN_TITLES[origin]}: {wording.number(value)}"
        yield Rect(x=x, y=top, width=max(width, 0.5), height=BAR, style=part_style(place), tip=tip)
        x += width
    yield Text(x=x + 4, y=top + TEXT - 1, text=wording.number(bar.total))


def _words(groups: Sequence[Bars]) -> str:
    told = []
    for group in groups:
        for bar in group.bars:
            if bar.total is None:
                told.append(f"{bar.build}, {group.title}: {bar.why}")
                continue
            parts = ", ".join(
                f"{'not known' if v is None else wording.number(v)} of {ORIGIN_TITLES[o]}"
                for o, v in zip(PARTS, bar.parts, strict=True)
            )
            total = wording.number(bar.total)
            told.append(f"{bar.build}, {group.title}: {total} {group.unit}: {parts}")
    return "; ".join(told) + "."
