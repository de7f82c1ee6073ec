# SPDX-License-Identifier: GPL-2.0-only
"""The page: what is on it, that its pictures are whole, and that nothing unknown is a figure."""

import itertools
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis import compare
from harness.analysis.comparison import Comparison, Per
from harness.analysis.stats import ratio
from harness.model.reading import Reading, Source, Status
from harness.model.records import TextPage, TextPages
from harness.report.folded import folded
from harness.report.page import curves, forest, latency, render, scales, shapes, text_area
from harness.report.page.by_programs import memory
from harness.report.page.page_content import page
from harness.report.page.shapes import Drawing
from harness.store import create_run
from harness.store.loading import LoadedRun
from harness.tests.golden import assert_golden
from harness.tests.unit import synthetic_runs as made
from harness.tests.unit.in_process import Bench

QUESTIONS = {"trig-kprobe": "What does one hot kernel path cost?"}
PAGES = TextPages(
    base="ffffffffc0000000",
    names=("bench_trigger_k", "bench_trigger_t"),
    pages=(
        TextPage(place=0, size=512, used=30_000, in_image=True, programs=((0, 20), (1, 12))),
        TextPage(place=513, size=1, used=376, in_image=False, programs=((0, 1),)),
        TextPage(place=515, size=1, used=4096, in_image=False, programs=((1, 1),)),
    ),
)


def with_pages(run: LoadedRun) -> LoadedRun:
    records = tuple(replace(r, text_pages=PAGES if r.readings else None) for r in run.records)
    return LoadedRun(run.manifest, records, run.problems)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    failed = "trig-kprobe-execmem-ption-s3"
    return compare([with_pages(made.run(seeds=(1, 2, 3), fail=(failed,)))])


@pytest.fixture(scope="module")
def html(comparison: Comparison) -> str:
    return render(comparison, QUESTIONS)


class Tree(HTMLParser):
    """Whether each element is closed where it should be; identifiers, links and what they are."""

    VOID = frozenset({"meta", "br", "rect", "line", "polyline", "polygon", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.labels: list[str] = []
        self.headings: list[int] = []
        self.outside: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.ids += [known["id"] or ""] if "id" in known else []
        self.links += [known["href"] or ""] if "href" in known else []
        self.labels += (known.get("aria-labelledby") or "").split()
        self.outside += [value for name in ("src", "srcset") if (value := known.get(name))]
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in self.VOID or tag in ("rect", "polygon", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_as_a_person_read_it(html: str) -> None:
    assert_golden("report/page.html", html)


def test_the_same_bytes_each_time(comparison: Comparison, html: str) -> None:
    assert render(comparison, QUESTIONS) == html


def test_the_page_needs_nothing_from_outside(html: str) -> None:
    tree = Tree(html)
    assert tree.outside == []
    assert all(link.startswith("#") for link in tree.links)
    assert "<script" not in html
    assert "url(" not in html
    assert "@import" not in html


def test_links_labels_and_headings_lead_somewhere(html: str) -> None:
    tree = Tree(html)
    assert len(tree.ids) == len(set(tree.ids))
    assert {link[1:] for link in tree.links} <= set(tree.ids)
    assert set(tree.labels) <= set(tree.ids)
    assert tree.headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(tree.headings, tree.headings[1:], strict=False))


def test_headings_are_in_order_where_runs_have_notes_and_problems() -> None:
    """Notes before the first question: as runs of kernels that others built have."""
    run = made.run(seeds=(1,), pti=("on",))
    noted = replace(compare([run]), notes=("built elsewhere",), problems=("a torn line",))
    headings = Tree(render(noted, QUESTIONS)).headings
    assert all(b - a <= 1 for a, b in itertools.pairwise(headings))


def test_the_answer_comes_first_and_provenance_last(html: str) -> None:
    order = (
        QUESTIONS["trig-kprobe"],
        'class="verdicts"',
        "Ratios to upstream",
        "All readings",
        "<h2>Provenance",
    )
    places = [html.index(words) for words in order]
    assert places == sorted(places)


def test_a_failed_trial_is_told(html: str) -> None:
    assert "Kernel panic - not syncing: Fatal exception" in html


def test_names_are_text_and_never_markup() -> None:
    run = made.run(seeds=(1,), pti=("on",))
    kernels = tuple(replace(k, compiler="<script>alert(1)</script>") for k in run.manifest.kernels)
    odd = LoadedRun(replace(run.manifest, kernels=kernels), run.records, ("a problem: <b>&amp;",))
    text = render(compare([odd]), {"trig-kprobe": "Is 1 < 2?"})
    assert "<script" not in text
    assert "Is 1 &lt; 2?" in text
    assert "a problem: &lt;b&gt;&amp;amp;" in text


def test_what_is_not_known_is_no_figure() -> None:
    """Without a single value of the model's the page says why, and draws no bar of length 0."""
    run = made.run(seeds=(1, 2), pti=("on",))

    def unknown(one: Reading) -> Reading:
        if one.source is not Source.MODEL:
            return one
        return replace(one, value=None, status=Status.NOT_COUNTED, reason="multiplexed away")

    records = tuple(replace(r, readings=tuple(map(unknown, r.readings))) for r in run.records)
    compared = compare([LoadedRun(run.manifest, records, ())])
    text = render(compared, QUESTIONS)
    assert "not counted: multiplexed away" in text
    titles = [p.title for q in page(compared, QUESTIONS).questions for p in q.pictures]
    assert "Page walks by the text that caused them" not in titles
    assert folded(compared) == ""


def test_walks_that_nobody_attributed_are_not_known_and_no_0() -> None:
    run = made.run(seeds=(1, 2), pti=("on",))
    records = tuple(
        replace(r, readings=tuple(x for x in r.readings if x.labels.get("origin", "all") == "all"))
        for r in run.records
    )
    compared = compare([LoadedRun(run.manifest, records, ())])
    shown = page(compared, QUESTIONS).questions[0].pictures
    (walks,) = [p for p in shown if p.title == "Page walks by the text that caused them"]
    assert walks.figures is not None
    for row in walks.figures.rows:
        assert row[3:7] == ("not known",) * 4
        assert row[7] != "not known"


def drawings(comparison: Comparison) -> list[Drawing]:
    shown = page(comparison, QUESTIONS)
    every = [p for q in shown.questions for p in q.pictures] + list(shown.pictures)
    return [drawing for picture in every for drawing in picture.drawings]


def inside(drawing: Drawing) -> None:
    """Every shape is inside the drawing, as wide as a character is taken to be."""
    for shape in drawing.shapes:
        match shape:
            case shapes.Rect():
                xs, ys = (shape.x, shape.x + shape.width), (shape.y, shape.y + shape.height)
            case shapes.Line():
                xs, ys = (shape.x1, shape.x2), (shape.y1, shape.y2)
            case shapes.Path():
                xs = tuple(x for x, _ in shape.points)  # type: ignore[assignment]
                ys = tuple(y for _, y in shape.points)  # type: ignore[assignment]
            case shapes.Mark():
                xs, ys = (shape.x, shape.x), (shape.y, shape.y)
            case shapes.Text():
                width = len(shape.text) * shapes.CHARACTER
                left = {"start": 0.0, "middle": width / 2, "end": width}[shape.anchor]
                xs, ys = (shape.x - left, shape.x - left + width), (shape.y, shape.y)
        assert min(xs) >= -2 and max(xs) <= drawing.width + 2, shape
        assert min(ys) >= -2 and max(ys) <= drawing.height + 2, shape


def test_every_shape_is_inside_its_drawing(comparison: Comparison) -> None:
    every = drawings(comparison)
    assert len(every) == 2 + 2 + 3
    for drawing in every:
        inside(drawing)


def test_drawings_are_well_formed_and_told_in_words(html: str) -> None:
    found = re.findall(r'<svg role="img".*?</svg>', html, re.DOTALL)
    assert found
    for text in found:
        root = ElementTree.fromstring(text)
        assert [child.tag for child in root][:2] == ["title", "desc"]
        assert (root[1].text or "").endswith(".")


positive = st.floats(min_value=1e-6, max_value=1e9)


@given(st.lists(st.lists(positive, min_size=1, max_size=5), min_size=1, max_size=4), positive)
def test_any_ratios_can_be_drawn(values: list[list[float]], base: float) -> None:
    rows = [
        forest.ForestRow(
            title="4 kB walks, a text of which the name is longer than any line could be",
            estimates=tuple(
                forest.Estimate(
                    build=place,
                    ratio=ratio(dict(enumerate(seeds)), dict.fromkeys(range(len(seeds)), base)),
                    seeds=tuple(v / base for v in seeds),
                    tone="",
                )
                for place, seeds in enumerate(values)
            ),
        )
    ]
    drawing = forest.forest("pti=on", rows, tuple("abcd"), "z", forest.axis(rows))
    assert drawing is not None
    inside(drawing)


@given(st.lists(positive, min_size=1), st.booleans())
def test_scales_hold_every_value(values: list[float], log: bool) -> None:
    scale = (scales.logarithmic if log else scales.linear)(values, 10, 100)
    assert scale.low <= min(values) * (1 + 1e-6) or not log
    assert scale.high >= max(values) * (1 - 1e-6)
    assert all(10 - 1e-6 <= scale.at(v) <= 110 + 1e-6 for v in (*values, 0.0 if not log else 1e-9))
    assert 1 <= len(scale.ticks) <= 8
    assert all(scale.low * (1 - 1e-6) <= t <= scale.high * (1 + 1e-6) for t in scale.ticks)


def test_bytes_have_ticks_that_are_round_in_powers_of_1024() -> None:
    scale = scales.linear([5.3 * (1 << 20)], 0, 100, binary=True)
    assert scale.high == 10 * (1 << 20)
    assert [tick / (1 << 20) for tick in scale.ticks] == [0, 5, 10]


def test_a_map_of_many_programs_stays_small() -> None:
    pages = tuple(
        TextPage(place=2 * i, size=1, used=i % 4097, in_image=False, programs=((i % 2, 1),))
        for i in range(1000)
    )
    drawing = text_area.text_area("upstream", replace(PAGES, pages=pages))
    inside(drawing)
    assert len(drawing.shapes) <= 512 + 1
    assert "1,000" in drawing.description or "1000 programs" in drawing.description


def test_a_map_without_programs_says_so() -> None:
    drawing = text_area.text_area("upstream", replace(PAGES, pages=()))
    assert drawing.description == "no program."


def test_the_map_as_a_table_adds_up() -> None:
    assert text_area.summary(PAGES) == (
        ("4 kB", 2, 2, 4472),
        ("2 MB, the kernel image's own", 1, 32, 30_000),
    )


def test_a_curve_has_a_gap_where_nothing_is_known() -> None:
    content = curves.Curves(
        title="free 2 MB pages", x_title="cycle", unit="page",
        curves=(curves.Curve(build=0, points=((0, 5), (1, 6), (2, None), (3, 4), (4, 2))),),
    )  # fmt: skip
    drawing = curves.drawn(content, ("upstream",))
    assert drawing is not None
    inside(drawing)
    assert [len(s.points) for s in drawing.shapes if isinstance(s, shapes.Path)] == [2, 2]
    assert "2: not known" in drawing.description


def test_one_place_is_no_curve() -> None:
    content = curves.Curves(
        title="", x_title="", unit="", curves=(curves.Curve(build=0, points=((0, 5),)),)
    )
    assert curves.drawn(content, ("upstream",)) is None


def with_programs(count: int, held: dict[str, int]) -> LoadedRun:
    """A run with ``count`` programs, and what each build holds for them."""
    trials = [made.spec(v, seed, params={"instances": count}) for seed in (1, 2) for v in held]
    records = []
    for trial in trials:
        extra = tuple(
            Reading(name=name, value=value, unit=unit, source=Source.KERNEL, labels={"at": "close"})
            for name, value, unit in (
                ("bpf.text.programs", count, "program"),
                ("bpf.text.held_bytes", held[trial.variant], "B"),
            )
        )
        record = made.record(trial)
        records.append(replace(record, readings=(*record.readings, *extra)))
    run = f"2026010{count % 7}T000000Z-quick-00000000"
    return LoadedRun(made.manifest(trials, run), tuple(records), ())


def test_the_break_even_is_between_two_measured_numbers() -> None:
    runs = [
        with_programs(10, {"upstream": 40_960, "execmem": 2_097_152}),
        with_programs(100, {"upstream": 409_600, "execmem": 2_097_152}),
        with_programs(1000, {"upstream": 4_096_000, "execmem": 2_097_152}),
    ]
    compared = compare(runs, allow=("trials.params.instances",))
    (content,) = memory(compared.blocks, compared.builds)
    assert content.note == "execmem holds less than upstream from between 100 and 1000 programs on."
    assert content.curves[0].points == ((10, 40_960), (100, 409_600), (1000, 4_096_000))
    assert "Memory by the number of programs" in render(compared, QUESTIONS)


def test_memory_of_one_number_of_programs_is_no_picture() -> None:
    compared = compare([with_programs(10, {"upstream": 40_960, "execmem": 2_097_152})])
    assert memory(compared.blocks, compared.builds) == ()


def test_latencies_are_drawn_from_the_recorded_quantiles() -> None:
    run = made.run(seeds=(1, 2), pti=("on",))
    times = {"p50": 21_000, "p90": 55_000, "p99": 900_000, "max": 12_000_000}
    extra = tuple(
        Reading(
            name="load.latency",
            value=ns,
            unit="ns",
            source=Source.WORKLOAD,
            labels={"kind": "load", "quantile": q},
        )
        for q, ns in times.items()
    )
    records = tuple(replace(r, readings=(*r.readings, *extra)) for r in run.records)
    compared = compare([LoadedRun(run.manifest, records, ())])
    given = latency.latencies(compared.blocks[0], compared.builds)
    drawing = latency.drawn("pti=on", given, compared.builds)
    assert drawing is not None
    inside(drawing)
    assert latency.table(given, compared.builds)[:2] == (
        ("call", "build", "p50", "p90", "p99", "max"),
        ("load", "upstream", "21 µs", "55 µs", "900 µs", "12 ms"),
    )


def test_folded_stacks_add_up(comparison: Comparison) -> None:
    counts: dict[str, int] = {}
    for line in folded(comparison).splitlines():
        stack, _, count = line.rpartition(" ")
        workload, pti, build, *_, size = stack.split(";")
        assert workload == "trig-kprobe"
        counts[f"{pti} {build} {size}"] = counts.get(f"{pti} {build} {size}", 0) + int(count)
    block = comparison.blocks[0]
    row = next(
        r
        for r in block.rows
        if r.metric.name == "itlb.walk_completed_4k"
        and r.labels == (("origin", "all"),)
        and (r.window, r.per) == ("measured", Per.TOTAL)
    )
    summary = row.cells["upstream"].summary
    assert summary is not None
    assert math.isclose(counts["pti=on upstream 4 kB walks"], summary.median, abs_tol=4)


def test_the_command_writes_beside_the_run(bench: Bench, tmp_path: Path) -> None:
    run = made.run(seeds=(1, 2), pti=("on",))
    with create_run(run.manifest, tmp_path) as writer:
        for record in run.records:
            writer.append(record)
    out = ("--out", str(tmp_path))
    done = bench("report", "latest", *out)
    assert done.returncode == 0, done.stderr
    written = tmp_path / run.manifest.run / "report.html"
    assert done.stdout.strip() == str(written)
    assert written.read_text().startswith("<!DOCTYPE html>")
    assert bench("report", "latest", *out, "--to", "-").stdout == written.read_text()
    stacks = bench("report", "latest", *out, "--format", "folded", "--to", "-").stdout
    assert stacks.startswith("trig-kprobe;pti=on;upstream;user text;4 kB walks ")


def test_a_file_that_cannot_be_written_is_one_line(bench: Bench, tmp_path: Path) -> None:
    run = made.run(seeds=(1,), pti=("on",))
    with create_run(run.manifest, tmp_path) as writer:
        writer.append(run.records[0])
    to = tmp_path / "nosuch" / "page.html"
    done = bench("report", "latest", "--out", str(tmp_path), "--to", str(to))
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert f"{to}: cannot be written: No such file or directory" in line
    assert "--to" in line
