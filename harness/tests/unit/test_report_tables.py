# SPDX-License-Identifier: GPL-2.0-only
"""Tables and sentences, against files that were read by a person."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from harness.analysis import compare
from harness.analysis.compare import Cell, Comparison
from harness.analysis.stats import Ratio, ratio, summarise
from harness.model import Reading, Source, Status, unknown
from harness.report import markdown, tables, terminal
from harness.report.summary import finding, sentences
from harness.store.load import LoadedRun
from harness.tests.golden import assert_golden
from harness.tests.unit import synthetic_runs as made


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare([made.run(seeds=(1, 2, 3), fail=("trig-kprobe-execmem-ption-s3",))])


def printed(comparison: Comparison, width: int, *, color: bool = False, full: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, color_system="standard" if color else None
    )
    terminal.render(comparison, console, full=full)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("width", [100, 160])
def test_terminal(comparison: Comparison, width: int) -> None:
    said = printed(comparison, width)
    assert max(map(len, said.splitlines())) <= width
    assert_golden(f"report/terminal-{width}.txt", said)


def test_output_width_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert terminal.output().width == terminal.PLAIN_WIDTH
    monkeypatch.setenv("COLUMNS", "90")
    assert terminal.output().width == 90


def test_terminal_in_color(comparison: Comparison) -> None:
    assert "\x1b[32m×0." in printed(comparison, 100, color=True)


def test_markdown(comparison: Comparison) -> None:
    said = markdown.render(comparison)
    assert_golden("report/comparison.md", said)
    tables = [line for line in said.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in tables} == {6}


def test_full_shows_every_origin_per_operation(comparison: Comparison) -> None:
    shown = tables.table(comparison.blocks[0], full=True)
    short = tables.table(comparison.blocks[0])
    assert len(shown.lines) > len(short.lines)
    units = {(line.title, line.unit) for line in shown.lines}
    assert ("  user text", "/1k op") in units
    assert ("  user text", "/1k op") not in {(line.title, line.unit) for line in short.lines}


def test_every_table_states_its_settings(comparison: Comparison) -> None:
    said = printed(comparison, 160)
    for pti in ("on", "off"):
        words = f"pti={pti}  pcid=tagged  profile=skylake-sp  mode=exact  smp=1  counters=model"
        assert words in said


def with_reading(reading: Reading, variant: str) -> LoadedRun:
    run = made.run(seeds=(1, 2), pti=("on",))
    records = tuple(
        replace(r, readings=(*r.readings, reading)) if r.spec.variant == variant else r
        for r in run.records
    )
    return LoadedRun(run.manifest, records, ())


def test_unknown_is_a_word_with_a_reason() -> None:
    reading = unknown("load.p99", "us", Source.WORKLOAD, Status.NOT_SUPPORTED, "no clock")
    shown = tables.table(compare([with_reading(reading, "execmem")]).blocks[0])
    line = next(line for line in shown.lines if line.title == "load.p99")
    assert [cell.value for cell in line.cells] == [
        "not counted¹",
        "not counted¹",
        "not supported²",
    ]
    assert "¹ not counted: not reported by this trial" in shown.footnotes
    assert "² not supported: no clock" in shown.footnotes
    assert all(cell.value != "0" for cell in line.cells)


def test_what_no_build_has_is_one_line_with_the_reason(comparison: Comparison) -> None:
    title = "mapped by 1 GB entries"
    short, full = (tables.table(comparison.blocks[0], full=full) for full in (False, True))
    assert not any(line.title.startswith(title) for line in short.lines)
    (told,) = (note for note in short.footnotes if title in note)
    assert told.startswith("not supported on any build (")
    shown = next(line for line in full.lines if line.title.startswith(title))
    assert all(cell.value.startswith("not supported") for cell in shown.cells)


def test_scaled_is_marked() -> None:
    reading = Reading(
        name="iTLB-load-misses",
        value=5,
        unit="event",
        source=Source.PERF,
        status=Status.SCALED,
        reason="ran 50 % of the time",
        labels={"window": "measured"},
    )
    shown = tables.table(compare([with_reading(reading, "execmem")]).blocks[0])
    line = next(line for line in shown.lines if "iTLB-load-misses" in line.title)
    said = "extrapolated: the counter was multiplexed"
    (mark,) = (note.split()[0] for note in shown.footnotes if note.endswith(said))
    assert line.cells[2].value.endswith(mark)


def test_perf_without_a_pmu_stands_beside_the_model() -> None:
    """Readings of two sources have lines of their own; the unknown one has no ratio."""
    run = made.run(seeds=(1, 2, 3), pti=("on",))
    labels = {"window": "measured", "origin": "all"}
    why = "perf: <not supported> r0285"
    none = unknown(
        "itlb.walk_completed_4k", "event", Source.PERF, Status.NOT_SUPPORTED, why, labels
    )
    records = tuple(replace(r, readings=(*r.readings, none)) for r in run.records)
    found = compare([LoadedRun(run.manifest, records, ())])
    shown = tables.table(found.blocks[0])
    at = [line.title for line in shown.lines].index("4 kB walks (itlb.walk_completed_4k, perf)")
    line = shown.lines[at + 1]
    assert (line.title, line.unit) == ("  all text", "/s")
    assert [cell.value for cell in line.cells] == ["not supported¹"] * 3
    assert [cell.ratio for cell in line.cells] == [""] * 3
    assert shown.footnotes[0] == f"¹ not supported: {why}"
    (first, *_) = sentences(found)
    assert "fewer 4 kB walks per second, ×" in first
    assert f"4 kB walks per second by perf unknown ({why})" in first


def sent(source: Source, phase: str, value: int | None) -> Reading:
    labels = {"phase": phase}
    if value is None:
        why = "proc/vmstat has no nr_tlb_remote_flush"
        return unknown("tlb.remote_flush", "event", source, Status.NOT_SUPPORTED, why, labels)
    return Reading(name="tlb.remote_flush", value=value, unit="event", source=source, labels=labels)


def with_flushes(kernels: dict[str, int | None]) -> LoadedRun:
    """Remote flushes while loading as the kernels' own counters say, and 7 counted calls."""
    run = made.run(seeds=(1, 2), pti=("on",))
    records = []
    for record in run.records:
        readings = [r for r in record.readings if r.name != "tlb.remote_flush"]
        readings += [
            sent(Source.KERNEL, "load", kernels[record.spec.variant]),
            sent(Source.MODEL, "load", 7),
        ]
        records.append(replace(record, readings=tuple(readings)))
    return LoadedRun(run.manifest, tuple(records), ())


def test_counted_calls_are_shown_where_a_kernel_does_not_count_by_itself() -> None:
    own, calls = (
        "remote flushes sent, while loading",
        "remote flushes sent, counted calls, while loading",
    )
    known: dict[str, int | None] = {"upstream": 5, "bpf_prog_pack": 6, "execmem": 8}
    comparison = compare([with_flushes(known)])
    titles = [line.title for line in tables.table(comparison.blocks[0]).lines]
    assert (own in titles, calls in titles) == (True, False)
    full = [line.title for line in tables.table(comparison.blocks[0], full=True).lines]
    assert (own in full, calls in full) == (True, True)
    assert "remote flushes sent while loading 8 instead of 5" in sentences(comparison)[3]
    comparison = compare([with_flushes({**known, "execmem": None})])
    lines = {line.title: line for line in tables.table(comparison.blocks[0]).lines}
    assert [cell.value for cell in lines[own].cells][2].startswith("not supported")
    assert [cell.value for cell in lines[calls].cells] == ["7"] * 3
    assert "remote flushes sent while loading 6 instead of 5" in sentences(comparison)[1]
    assert "remote flushes sent while loading 7 in both" in sentences(comparison)[3]


def test_windows_of_a_probe_are_no_tables() -> None:
    run = made.run(seeds=(1,), pti=("on",))
    records = tuple(
        replace(r, windows={**r.windows, "2": "probe-load", "3": "alone"}) for r in run.records
    )
    (block,) = compare([LoadedRun(run.manifest, records, ())]).blocks
    assert block.windows == ("measured", "alone")
    row = next(r for r in block.rows if r.metric.name == "tlb.remote_flush" and r.window)
    assert row.window == "measured"


def test_reference_stands_beside_ours(comparison: Comparison) -> None:
    lines = tables.table(comparison.blocks[0]).lines
    references = [[cell.value for cell in line.cells] for line in lines if line.kind == "reference"]
    assert references == [["×1", "×0.76", "×0.64"], ["×1", "×2.00", "×10.0"]]


def test_reference_only_for_its_workload() -> None:
    run = made.run(seeds=(1,), pti=("on",))
    specs = [replace(r.spec, workload="other") for r in run.records]
    records = tuple(replace(r, spec=s, trial=s.id) for r, s in zip(run.records, specs, strict=True))
    found = compare([LoadedRun(replace(run.manifest, trials=tuple(specs)), records, ())])
    assert not any(line.kind == "reference" for line in tables.table(found.blocks[0]).lines)


def test_a_single_build_has_no_sentence() -> None:
    assert sentences(compare([made.run(variants=("execmem",))])) == ()


def test_sentences(comparison: Comparison) -> None:
    found = sentences(comparison)
    assert len(found) == 8  # per table and build: what was counted, and the facts
    first = "trig-kprobe, pti=on: bpf_prog_pack against upstream: fewer 4 kB walks per second, ×"
    assert found[0].startswith(first)
    assert found[0].endswith("; 95 % intervals over 3 seeds.")
    assert found[1] == (
        "trig-kprobe, pti=on: bpf_prog_pack against upstream, facts: 4 kB pages covering BPF text "
        "3 instead of 22; 2 MB pages covering BPF text 0 in both; bytes mapped for BPF text "
        "12 KiB instead of 88 KiB; 2 MB entries split to 4 kB while loading 3 in both; "
        "remote flushes sent while loading 0 in both; W+X mappings 0 in both."
    )
    assert "no difference in 4 kB walks per second" in found[4]


def test_sentences_of_one_seed() -> None:
    found = sentences(compare([made.run(seeds=(1,), pti=("on",))]))
    assert found[0].endswith("one seed, so no interval.")
    assert "fewer" not in found[0]
    assert "no difference" not in found[0]


def cell(ours: dict[int, float], base: dict[int, float]) -> Cell:
    found: Ratio = ratio(ours, base)
    return Cell(values=ours, unknown=(), summary=summarise(list(ours.values())), ratio=found)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (cell({1: 7, 2: 8}, {1: 70, 2: 80}), "fewer walks, ×0.10 at every seed (2 seeds)"),
        (cell({1: 0, 2: 0}, {1: 70, 2: 80}), "fewer walks, ×0 at every seed (2 seeds)"),
        (cell({1: 0, 2: 0}, {1: 0, 2: 0}), "no walks in either"),
        (cell({1: 5, 2: 6}, {1: 0, 2: 0}), "no ratio for walks (the baseline is 0: no ratio)"),
        (cell({}, {1: 5}), "walks unknown (no trial gave a result)"),
        (cell({1: 5}, {1: 10}), "walks, ×0.50 (1 seed)"),
        (
            cell({1: 5, 2: 5, 3: 5}, {1: 0, 2: 0, 3: 9}),
            "walks, ×1.67 (no interval) (3 seeds, no interval: the baseline varies around 0)",
        ),
    ],
)
def test_finding(given: Cell, said: str) -> None:
    assert finding("walks", given) == said


def test_nothing_but_failures() -> None:
    run = made.run(seeds=(1,), pti=("on",), variants=("execmem",))
    broken = made.failed(run.records[0].spec)
    assert broken.failure is not None
    broken = replace(broken, failure=replace(broken.failure, message="two\nlines"))
    said = printed(compare([LoadedRun(run.manifest, (broken,), ())]), 100)
    assert "failed: execmem, seed 1: panic: two | lines" in said
    assert "iTLB\n" not in said


def test_problems_are_shown() -> None:
    run = made.run(seeds=(1,))
    said = printed(compare([run._replace(problems=("records.jsonl:9: torn",))]), 100)
    assert "problem: records.jsonl:9: torn" in said


@pytest.mark.parametrize("said", ["a|b", "*x*", "<b>", "bpf_prog_pack", "a\nb", "[1]", "`c`"])
def test_markdown_escapes(said: str) -> None:
    escaped = markdown.escape(said)
    assert "\n" not in escaped
    for char in "|*_<>`[]":
        assert escaped.count(char) == escaped.count("\\" + char)
