# SPDX-License-Identifier: GPL-2.0-only
"""What is on the page: the answers first, then pictures with their figures, then all readings,
then where it all comes from. Pure: the same runs give the same content."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.comparison import Block, Comparison
from harness.metrics.catalogue import ORIGIN_TITLES
from harness.model.records import Manifest
from harness.model.trial_settings import Pti
from harness.report import answer, terminal, wording
from harness.report.named import NamedTable, named_table
from harness.report.page import by_programs, curves, forest, latency, stacked_walks, text_area
from harness.report.page.shapes import Drawing, build_style, shape_of
from harness.report.question_lines import Lines, question_lines
from harness.report.tables import TextTable, table
from harness.report.verdict_table import VerdictTable, verdict_table
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


@dataclass(frozen=True, kw_only=True)
class Question:
    """An answer with its pictures."""

    anchor: str
    answer: answer.Answer
    groups: tuple[tuple[str, int], ...]  # isolation setting, how many columns it has
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, kw_only=True)
class Everything:
    """All readings of one table of the comparison."""

    table: TextTable
    verdicts: VerdictTable | None
    named: NamedTable | None


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page."""

    title: str
    runs: tuple[str, ...]
    created: str
    builds: tuple[str, ...]
    baseline: str
    legend: tuple[str, ...]
    questions: tuple[Question, ...]
    pictures: tuple[Picture, ...]  # of several questions together
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    everything: tuple[Everything, ...]
    table_legend: tuple[str, ...]
    provenance: tuple[tuple[str, Figures], ...]


def page(comparison: Comparison, questions: Mapping[str, str]) -> Page:
    """The page of ``comparison``; ``questions`` by workload."""
    answers = answer.answers(comparison, questions)
    others = [build for build in comparison.builds if build != comparison.baseline]
    return Page(
        title=f"{', '.join(others) or comparison.baseline}"
        + (f" against {comparison.baseline}" if others else ""),
        runs=comparison.runs,
        created=", ".join(dict.fromkeys(m.created[:10] for m in comparison.manifests)),
        builds=comparison.builds,
        baseline=comparison.baseline,
        legend=answer.legend(answers),
        questions=tuple(
            Question(
                anchor=f"question-{number}",
                answer=one,
                groups=_groups(one),
                pictures=tuple(_pictures(_blocks(one, comparison), comparison)),
            )
            for number, one in enumerate(answers, 1)
        ),
        pictures=tuple(_together(comparison)),
        notes=comparison.notes,
        problems=comparison.problems,
        everything=tuple(
            Everything(
                table=table(block),
                verdicts=verdict_table(block.verdicts, block.baseline) if block.verdicts else None,
                named=named_table(block),
            )
            for block in comparison.blocks
        ),
        table_legend=terminal.legend(comparison),
        provenance=tuple(_provenance(comparison.manifests)),
    )


def _groups(one: answer.Answer) -> tuple[tuple[str, int], ...]:
    counts: dict[str, int] = {}
    for column in one.columns:
        counts[column.pti] = counts.get(column.pti, 0) + 1
    return tuple(counts.items())


def _blocks(one: answer.Answer, comparison: Comparison) -> list[Block]:
    """The tables that ``one`` was made of."""
    return [
        block
        for block in comparison.blocks
        if block.settings.workload == one.workload
        and wording.settings_line(block.settings, without=("pti",)) == one.settings
        and wording.params_line(block.settings) == one.params
    ]


def _pictures(blocks: Sequence[Block], comparison: Comparison) -> Iterator[Picture]:
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


def _together(comparison: Comparison) -> Iterator[Picture]:
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


def _provenance(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Figures]]:
    for manifest in manifests:
        yield (
            f"Kernels of {manifest.run}",
            Figures(
                columns=("kernel", "release", "compiler", "image", "configuration", "series"),
                rows=tuple(
                    (
                        kernel.name,
                        kernel.release or "not known",
                        kernel.compiler or "not known",
                        *(_hash(h) for h in (kernel.image_sha256, kernel.config_sha256)),
                        _hash(kernel.series_sha256),
                    )
                    for kernel in manifest.kernels
                ),
                words=6,
            ),
        )
        yield (
            f"Everything else of {manifest.run}",
            Figures(columns=("what", "value"), rows=tuple(_inputs(manifest)), words=2),
        )


def _hash(text: str) -> str:
    return text[:12] or "none"


def _inputs(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "created", manifest.created
    yield "suite", manifest.suite
    yield "program", f"{manifest.program_version} {manifest.program_commit}".strip()
    yield "QEMU", manifest.qemu_version
    yield "counters", manifest.counters_reason
    hashes = {
        "model's plugin": manifest.plugin_sha256,
        "CPU profile": manifest.profile_sha256,
        "bench": manifest.bench_sha256,
        **{f"guest image, {name}": value for name, value in manifest.image_sha256.items()},
        **{f"workload {name}": value for name, value in manifest.workload_sha256.items()},
    }
    yield from ((name, _hash(value)) for name, value in hashes.items())
    yield from ((f"host, {name}", value) for name, value in manifest.host.items())
    yield "command", " ".join(manifest.command)
