# SPDX-License-Identifier: GPL-2.0-only
"""Ratios to the baseline: a line for each reading and build, with its interval and the seeds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.comparison import Block, Cell
from harness.analysis.stats import Ratio
from harness.report import wording
from harness.report.decisive import Decided
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
    fitted,
    shape_of,
)
from harness.report.tables import tone

FURTHEST = 64.0
"""Ratios beyond this one, or its inverse, are drawn at the edge, with an arrow."""
WORDS = 92.0
"""Width that is kept for the ratio in words, at the right."""
LEFT = 8.0
INDENT = 14.0
"""Of the axis, for the text below its first tick."""
HEAD, ROW, GAP, AXIS = 18.0, 18.0, 8.0, 34.0


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One build in one reading. ``seeds``: the ratio at each seed that both have."""

    build: int  # place among the builds of the page
    ratio: Ratio
    seeds: tuple[float, ...]
    tone: str


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """A reading."""

    title: str
    estimates: tuple[Estimate, ...]


def rows(block: Block, lines: Sequence[Decided], builds: Sequence[str]) -> tuple[ForestRow, ...]:
    """The ratios of ``lines``: of readings that have one on some build."""
    out = []
    for line in lines:
        if line.curve is not None or line.sizes or not block.baseline:
            continue
        base = line.row.cells[block.baseline]
        estimates = tuple(
            Estimate(
                build=builds.index(build),
                ratio=ratio,
                seeds=seed_ratios(line.row.cells[build], base),
                tone=tone(ratio.verdict, line.row.metric.better),
            )
            for build in block.builds
            if (ratio := line.row.cells[build].ratio) is not None and ratio.value is not None
        )
        if estimates:
            out.append(ForestRow(title=line.title, estimates=estimates))
    return tuple(out)


def seed_ratios(cell: Cell, base: Cell) -> tuple[float, ...]:
    """The ratio at each seed that both know and at which the baseline is not 0."""
    common = sorted(cell.values.keys() & base.values.keys())
    return tuple(cell.values[s] / base.values[s] for s in common if base.values[s])


def axis(given: Iterable[ForestRow]) -> Scale:
    """An axis that has room for all of ``given``: pictures beside each other share one."""
    every = [e for row in given for e in row.estimates]
    ends = [v for e in every for v in (e.ratio.value, e.ratio.low, e.ratio.high) if v]
    near = [min(max(v, 1 / FURTHEST), FURTHEST) for v in (*ends, 1.0)]
    return logarithmic((*near, 0.9, 1.1), LEFT + INDENT, WIDTH - LEFT - INDENT - WORDS)


def forest(
    title: str, given: Sequence[ForestRow], builds: Sequence[str], baseline: str, scale: Scale
) -> Drawing | None:
    """The picture on the axis ``scale``; None without any ratio."""
    if not given:
        return None
    height = sum(HEAD + ROW * len(row.estimates) + GAP for row in given)
    shapes: list[Shape] = [*_axis(scale, height)]
    top = 0.0
    for row in given:
        shapes.append(Text(x=LEFT, y=top + TEXT, text=fitted(row.title, WIDTH - LEFT)))
        top += HEAD
        for estimate in row.estimates:
            shapes += _estimate(estimate, scale, top + ROW / 2, builds[estimate.build])
            top += ROW
        top += GAP
    return Drawing(
        title=title,
        description=_words(given, builds, baseline),
        height=height + AXIS,
        shapes=tuple(shapes),
    )


def _axis(scale: Scale, height: float) -> Iterator[Shape]:
    for tick in scale.ticks:
        x = scale.at(tick)
        yield Line(x1=x, y1=0, x2=x, y2=height, style="one" if tick == 1 else "grid")
        yield Text(x=x, y=height + TEXT, text=f"×{wording.order(tick)}", anchor="middle")
    yield Text(
        x=LEFT, y=height + 2.2 * TEXT, text="ratio to the baseline, log scale", style="faint"
    )


def _estimate(estimate: Estimate, scale: Scale, y: float, build: str) -> Iterator[Shape]:
    ratio, style = estimate.ratio, build_style(estimate.build)
    assert ratio.value is not None
    tip = f"{build}: {wording.ratio(ratio, all_of_it=True)}"
    if ratio.low is not None and ratio.high is not None and ratio.high > 0:
        low, high = scale.at(max(ratio.low, scale.low)), scale.at(ratio.high)
        yield Rect(x=low, y=y - 1.5, width=max(high - low, 1), height=3, style=style, tip=tip)
    for seed in estimate.seeds:
        if scale.low <= seed <= scale.high:
            yield Mark(x=scale.at(seed), y=y - 6, shape=0, style=f"{style} seed", size=1.6)
    x = scale.at(ratio.value) if ratio.value > 0 else scale.start
    yield Mark(x=x, y=y, shape=shape_of(estimate.build), style=style, tip=tip)
    if ratio.value < scale.low:
        yield Text(x=x + 7, y=y + 4, text="◂", style=style)
    elif ratio.value > scale.high:
        yield Text(x=x - 7, y=y + 4, text="▸", anchor="end", style=style)
    words = wording.brief(ratio) or "undecided"
    yield Text(x=WIDTH - 2, y=y + 4, text=words, anchor="end", style=estimate.tone or "plain")


def _words(given: Sequence[ForestRow], builds: Sequence[str], baseline: str) -> str:
    told = [
        f"{row.title}: "
        + ", ".join(f"{builds[e.build]} {wording.ratio(e.ratio)}" for e in row.estimates)
        for row in given
    ]
    return f"Ratios to {baseline}. {'; '.join(told)}."
