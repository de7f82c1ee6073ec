# SPDX-License-Identifier: GPL-2.0-only
"""The pictures of a question, each with its caption, its key and its figures as a table. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.comparison import Block, Comparison
from harness.metrics.catalogue import ORIGIN_TITLES
from harness.model.trial_settings import Pti
from harness.report import wording
from harness.report.page import by_programs, curves, forest, latency, stacked_walks, text_area
from harness.report.page.shapes import Drawing, build_style, shape_of
from harness.report.question_lines import Lines, question_lines
from harness.report.walk_parts import PARTS


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A table of texts; the first ``words`` columns are words, the others figures."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


@dataclass(frozen=True, kw_only=True)
class Key:
    """A colour or a mark, and what it stands for."""

    words: str
    style: str
    mark: int | None = None  # place in MARKS; None: a patch of colour


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Drawings side by side that show one thing, and their figures."""

    title: str
    caption: str
    drawings: tuple[Drawing, ...]
    key: tuple[Key, ...] = ()  # what its colours and marks stand for
    figures: Figures | None = None


def pictures(blocks: Sequence[Block], comparison: Comparison) -> Iterator[Picture]:
    """The pictures of the tables ``blocks`` that answer one question together."""
    lines = question_lines(blocks)
    makers = (_ratios, _walks, _curves, _latencies)
    for make in makers:
        yield from make(blocks, lines, comparison)
    yield from _text_areas(blocks)


def _ratios(blocks: Sequence[Block], lines: Lines, comparison: Comparison) -> Iterator[Picture]:
    drawings, figures = [], []
    by_block = [forest.rows(b, lines[str(b.settings.pti)], comparison.builds) for b in blocks]
    scale = forest.axis(row for rows in by_block for row in rows)
    for block, rows in zip(blocks, by_block, strict=True):
        pti = str(block.settings.pti)
        drawing = forest.forest(f"pti={pti}", rows, comparison.builds, block.baseline, scale)
        if drawing is None:
            continue
        drawings.append(drawing)
        figures += [
            (
                row.title,
                f"pti={pti}",
                comparison.builds[e.build],
                wording.ratio(e.ratio, all_of_it=True),
                str(e.ratio.n),
            )
            for row in rows
            for e in row.estimates
        ]
    if drawings:
        yield Picture(
            title=f"Ratios to {comparison.baseline}",
            caption="The mark is the ratio, the bar its 95 % interval, the small dots above it the "
            "seeds. An interval that crosses the line ×1 decides nothing.",
            drawings=tuple(drawings),
            key=tuple(
                Key(words=build, style=build_style(place), mark=shape_of(place))
                for place, build in enumerate(comparison.builds)
                if build != comparison.baseline
            ),
            figures=Figures(
                columns=("reading", "isolation", "build", "ratio [95 % interval]", "seeds"),
                rows=tuple(figures),
                words=3,
            ),
        )


def _walks(blocks: Sequence[Block], _: Lines, __: Comparison) -> Iterator[Picture]:
    drawings, rows = [], []
    by_block = [stacked_walks.walks(block) for block in blocks]
    scale = stacked_walks.axis(group for groups in by_block for group in groups)
    for block, groups in zip(blocks, by_block, strict=True):
        pti = f"pti={block.settings.pti}"
        drawing = stacked_walks.stacked(pti, groups, scale)
        if drawing is None:
            continue
        drawings.append(drawing)
        rows += [
            (
                f"{group.title} {group.unit}",
                pti,
                bar.build,
                *(_value(part) for part in (*bar.parts, bar.total)),
            )
            for group in groups
            for bar in group.bars
        ]
    if drawings:
        parts = [ORIGIN_TITLES[origin] for origin in PARTS]
        yield Picture(
            title="Page walks by the text that caused them",
            caption="Medians over seeds, on one scale.",
            drawings=tuple(drawings),
            key=tuple(
                Key(words=part, style=stacked_walks.part_style(place))
                for place, part in enumerate(parts)
            ),
            figures=Figures(
                columns=("walks", "isolation", "build", *parts, "all text"),
                rows=tuple(rows),
                words=3,
            ),
        )


def _value(value: float | None) -> str:
    return "not known" if value is None else wording.number(value)


def _curves(blocks: Sequence[Block], lines: Lines, comparison: Comparison) -> Iterator[Picture]:
    drawings = []
    for block in blocks:
        for line in lines[str(block.settings.pti)]:
            if line.curve is None:
                continue
            content = curves.Curves(
                title=f"{line.title}, pti={block.settings.pti}",
                x_title="cycle",
                unit=line.curve.row.unit,
                curves=tuple(
                    curves.Curve(
                        build=comparison.builds.index(build),
                        points=tuple(
                            (
                                float(row.label("cycle")),
                                summary.median if (summary := row.cells[build].summary) else None,
                            )
                            for row in line.curve.rows
                        ),
                    )
                    for build in block.builds
                ),
            )
            drawing = curves.drawn(content, comparison.builds)
            if drawing is not None:
                drawings.append(drawing)
    if drawings:
        yield Picture(
            title="Over the cycles",
            caption="Medians over seeds. A gap in a line is a value that is not known.",
            drawings=tuple(drawings),
        )


def _latencies(blocks: Sequence[Block], _: Lines, comparison: Comparison) -> Iterator[Picture]:
    drawings, tables = [], []
    for block in blocks:
        given = latency.latencies(block, comparison.builds)
        drawing = latency.drawn(f"pti={block.settings.pti}", given, comparison.builds)
        if drawing is not None:
            drawings.append(drawing)
            tables.append((f"pti={block.settings.pti}", latency.table(given, comparison.builds)))
    if drawings:
        yield Picture(
            title="How long loading and unloading takes",
            caption="Quantiles over the programs of the window, guest time, log scale; medians "
            "over seeds.",
            drawings=tuple(drawings),
            figures=Figures(
                columns=("isolation", *tables[0][1][0]),
                rows=tuple((pti, *row) for pti, rows in tables for row in rows[1:]),
                words=3,
            ),
        )


def _text_areas(blocks: Sequence[Block]) -> Iterator[Picture]:
    """Of one isolation setting: where programs lie does not depend on it."""
    block = next((b for b in blocks if b.settings.pti is Pti.ON and b.text_pages), None)
    block = block or next((b for b in blocks if b.text_pages), None)
    if block is None:
        return
    drawings, rows = [], []
    for build, own in block.text_pages.items():
        drawings.append(text_area.text_area(f"{build}, seed {own.seed}", own.pages))
        rows += [
            (build, kind, str(count), str(programs), wording.number(used, "B"))
            for kind, count, programs, used in text_area.summary(own.pages)
        ]
    yield Picture(
        title="Which pages hold BPF programs",
        caption=f"When the window closed, pti={block.settings.pti}: the pages in the order of "
        "their addresses, those without a program left out. The darker a page, the more of it is "
        "text of programs. A program that reaches over two pages is counted in both.",
        drawings=tuple(drawings),
        figures=Figures(
            columns=("build", "pages of", "pages", "programs in each, added up", "text in them"),
            rows=tuple(rows),
            words=2,
        ),
    )


def together(comparison: Comparison) -> Iterator[Picture]:
    """The pictures of all tables together."""
    for content in by_programs.memory(comparison.blocks, comparison.builds):
        drawing = curves.drawn(content, comparison.builds)
        if drawing is None:
            continue
        counts = sorted({x for curve in content.curves for x, _ in curve.points})
        yield Picture(
            title="Memory by the number of programs",
            caption=content.note,
            drawings=(drawing,),
            figures=Figures(
                columns=("build", *(f"{wording.number(x)} programs" for x in counts)),
                rows=tuple(
                    (
                        comparison.builds[curve.build],
                        *(_held(dict(curve.points).get(x), content.unit) for x in counts),
                    )
                    for curve in content.curves
                ),
            ),
        )


def _held(value: float | None, unit: str) -> str:
    return "not known" if value is None else wording.number(value, unit)
