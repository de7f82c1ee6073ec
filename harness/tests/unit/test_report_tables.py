# SPDX-License-Identifier: GPL-2.0-only
"""Tables and sentences, against files that were read by a person."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from harness.analysis import compare
from harness.analysis.comparison import Comparison
from harness.model.reading import Reading, Source, Status, unknown
from harness.report import answer, consoles, markdown, tables, terminal
from harness.report.answer import AnswerLine
from harness.store.loading import LoadedRun
from harness.tests.golden import assert_golden
from harness.tests.unit import synthetic_runs as made


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare([made.run(seeds=(1, 2, 3), fail=("trig-kprobe-execmem-ption-s3",))])


def printed(comparison: Comparison, width: int, *, color: bool = False, full: bool = True) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=color, color_system="standard" if color else None
    )
    terminal.render(comparison, console, full=full)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize(
    ("width", "full", "name"),
    [
        (80, False, "answer-80"),
        (100, False, "answer-100"),
        (100, True, "terminal-100"),
        (160, True, "terminal-160"),
    ],
)
def test_terminal(comparison: Comparison, width: int, full: bool, name: str) -> None:
    output = printed(comparison, width, full=full)
    assert max(map(len, output.splitlines())) <= width
    assert_golden(f"report/{name}.txt", output)


def test_the_answer_fits_a_screen(comparison: Comparison) -> None:
    assert len(printed(comparison, 100, full=False).splitlines()) <= 50


def test_output_width_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert consoles.output().width == consoles.PLAIN_WIDTH
    monkeypatch.setenv("COLUMNS", "90")
    assert consoles.output().width == 90


def test_a_trial_whose_kernel_warned_counts_and_is_named() -> None:
    run = made.run(seeds=(1, 2), pti=("on",))
    warned = "WARNING: CPU: 0 PID: 1 at kernel/bpf/core.c:1 f+0x1/0x2"
    records = tuple(replace(r, taints=(warned,) if r.spec.seed == 2 else ()) for r in run.records)
    comparison = compare([LoadedRun(run.manifest, records, ())])
    said = printed(comparison, 160, full=False)
    for build in made.VARIANTS:
        assert f"tainted: {build}, pti=on, seed 2: {warned}" in said
    assert "seed 1: WARNING" not in said
    without = printed(compare([run]), 160, full=False)
    assert [x for x in said.splitlines() if "tainted" not in x] == without.splitlines()
    assert f"- upstream, pti=on, seed 2: {warned}" in markdown.render(comparison)
    assert f"tainted: execmem, seed 2: {warned}" in printed(comparison, 160)


def test_nothing_of_a_result_steers_the_terminal() -> None:
    run = made.run(seeds=(1,), pti=("on",), fail=("trig-kprobe-execmem-ption-s1",))
    evil = "\x1b[2J\x1b]0;title\x07 \u202e"
    records = [
        replace(r, failure=replace(r.failure, message=evil))
        if r.failure
        else replace(r, notes=(evil,))
        for r in run.records
    ]
    out = io.StringIO()
    console = consoles.only_printable(Console(file=out, width=100, force_terminal=False))
    terminal.render(compare([LoadedRun(run.manifest, tuple(records), ())]), console)
    said = out.getvalue()
    assert said.count(r"\x1b[2J\x1b]0;title") == 2
    assert not set(said) & {"\x1b", "\x07", "\u202e"}


def test_terminal_in_color(comparison: Comparison) -> None:
    assert "\x1b[32m×0." in printed(comparison, 100, color=True)


def test_markdown(comparison: Comparison) -> None:
    said = markdown.render(comparison)
    assert_golden("report/comparison.md", said)
    tables = [line for line in said.splitlines() if line.startswith("|")]
    # the answer has a column for each build and setting; of the tables, each has those of a build
    assert {line.replace("\\|", "").count("|") for line in tables} == {9, 6}


def test_every_origin_is_there_per_operation(comparison: Comparison) -> None:
    shown = tables.table(comparison.blocks[0])
    assert ("  user text", "/1k op") in {(line.title, line.unit) for line in shown.lines}


def test_every_table_states_its_settings(comparison: Comparison) -> None:
    said = printed(comparison, 160)
    for pti in ("on", "off"):
        words = (
            f"pti={pti}  pcid=tagged  host_page=2m  profile=skylake-sp  mode=exact  smp=1  "
            "counters=model"
        )
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
        "not counted²",
        "not counted²",
        "not supported³",
    ]
    assert "² not counted: not reported by this trial" in shown.footnotes
    assert "³ not supported: no clock" in shown.footnotes
    assert all(cell.value != "0" for cell in line.cells)


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


def flushes(run: LoadedRun) -> AnswerLine:
    (found,) = answer.answers(compare([run]), {})
    return next(line for line in found.lines if line.title.startswith("remote flushes"))


def test_counted_calls_answer_where_a_kernel_does_not_count_by_itself() -> None:
    known: dict[str, int | None] = {"upstream": 5, "bpf_prog_pack": 6, "execmem": 8}
    line = flushes(with_flushes(known))
    assert line.title == "remote flushes, loading"
    assert [cell.value for cell in line.cells] == ["5", "6", "8"]
    line = flushes(with_flushes({**known, "execmem": None}))
    assert line.title == "remote flushes, loading, counted calls"
    assert [cell.value for cell in line.cells] == ["7"] * 3
    titles = [line.title for line in tables.table(compare([with_flushes(known)]).blocks[0]).lines]
    assert "remote flushes sent, while loading" in titles
    assert "remote flushes sent, counted calls, while loading" in titles


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
    assert references == [["", "−22.0 k", "−32.0 k"], ["", "+0.100", "+0.900"]]
    own = [[cell.value for cell in line.cells] for line in lines if line.kind == "difference"]
    assert [bool(re.fullmatch(r"[+−][\d.]+ k \[[+−][\d.]+( k)?, .*\]", x)) for x in own[0]] == [
        False,
        True,
        True,
    ]


def test_reference_only_for_its_workload() -> None:
    run = made.run(seeds=(1,), pti=("on",))
    specs = [replace(r.spec, workload="other") for r in run.records]
    records = tuple(replace(r, spec=s, trial=s.id) for r, s in zip(run.records, specs, strict=True))
    found = compare([LoadedRun(replace(run.manifest, trials=tuple(specs)), records, ())])
    assert not any(line.kind == "reference" for line in tables.table(found.blocks[0]).lines)


def test_nothing_but_failures() -> None:
    run = made.run(seeds=(1,), pti=("on",), variants=("execmem",))
    broken = made.failed(run.records[0].spec)
    assert broken.failure is not None
    broken = replace(broken, failure=replace(broken.failure, message="two\nlines"))
    said = printed(compare([LoadedRun(run.manifest, (broken,), ())]), 100)
    assert "failed: execmem, pti=on, seed 1: panic: two | lines" in said
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
