# SPDX-License-Identifier: GPL-2.0-only
"""perf stat of 6.12 and 7.3, captured without a PMU, and one run told in three formats."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.counters import perf_stat_parser
from harness.counters.perf_stat_parser import Row, State, parse
from harness.tests.fuzz.perf_stat_cases import captured, check, separator
from harness.tests.golden import DATA

NEWER = DATA / "counters" / "perf-newer"
ONE_RUN = DATA / "counters" / "perf-one-run"
VERSIONS = ("6.12", "7.3")


def rows(path: Path) -> list[Row]:
    return list(parse(path.read_text().splitlines(), separator(path)))


@pytest.mark.parametrize("path", sorted(NEWER.glob("*.out")), ids=lambda p: p.stem)
def test_every_count_of_every_capture_is_a_row(path: Path) -> None:
    """No row is lost, and what was not counted has no value."""
    lines = path.read_text().splitlines()
    named = ("task-clock", "page-faults", "context-switches", "cpu-migrations", "iTLB-load-misses",
             "cycles", "instructions", "branches", "branch-misses")  # fmt: skip
    counts = [n for n, line in enumerate(lines, 1) if any(name in line for name in named)]
    found = rows(path)
    assert [row.line for row in found] == counts
    for row in found:
        absent = row.state in (State.NOT_SUPPORTED, State.NOT_COUNTED)
        assert (row.value is None) == absent == ("<not " in lines[row.line - 1])


@pytest.mark.parametrize("version", VERSIONS)
def test_formats_agree_on_what_is_there(version: str) -> None:
    """Of runs of their own: what was counted and what was not."""
    symptom = "software-and-missing"
    paths = (NEWER / f"{version}-{form}-{symptom}.out" for form in ("json", "csv", "text"))
    told = [[(row.event, row.state) for row in rows(path)] for path in paths]
    assert told[0] == told[1] == told[2]
    assert told[0] == [
        ("task-clock", State.COUNTED),
        ("page-faults", State.COUNTED),
        ("iTLB-load-misses", State.NOT_SUPPORTED),
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_repeats_intervals_groups_and_aggregates(version: str) -> None:
    (repeated,) = rows(NEWER / f"{version}-json-repeated.out")
    assert repeated.variance_percent is not None
    (interval,) = rows(NEWER / f"{version}-json-interval.out")
    assert interval.interval is not None
    assert len(rows(NEWER / f"{version}-json-group.out")) == 2
    (socket,) = rows(NEWER / f"{version}-json-per-socket.out")
    assert (socket.aggregate, socket.members) == ("socket S0", 2)  # the key was renamed
    assert rows(NEWER / f"{version}-json-metric-only.out") == []


def test_a_metric_that_is_no_number_has_no_value() -> None:
    by_event = {row.event: row for row in rows(NEWER / "7.3-json-default-events.out")}
    (metric,) = by_event["task-clock"].metrics
    assert metric.value is None
    assert by_event["cpu-cycles"].state is State.NOT_SUPPORTED


def test_a_decorated_name_is_the_event() -> None:
    names = {row.event for row in rows(NEWER / "6.12-json-per-cpu-decorated.out")}
    assert names == {"task-clock [software]"}
    assert {perf_stat_parser.normalised(name) for name in names} == {"task-clock"}


@pytest.mark.parametrize("aggregate", ["whole", "per-cpu", "per-core", "per-socket"])
def test_three_formats_say_the_same_of_one_run(aggregate: str) -> None:
    """perf stat record, then perf stat report in each format: one set of counts."""
    json, csv, text = (
        rows(ONE_RUN / f"{aggregate}-{form}.out") for form in ("json", "csv", "text")
    )
    assert len(json) == len(csv) == len(text) > 0
    for one, other, printed in zip(json, csv, text, strict=True):
        assert {(r.event, r.unit, r.state, r.aggregate, r.members) for r in (one, other)} == {
            (printed.event, printed.unit, printed.state, printed.aggregate, printed.members)
        }
        assert (one.runtime_ns, one.running_percent) == (other.runtime_ns, other.running_percent)
        assert other.value == printed.value
        if one.value is not None:
            assert other.value == pytest.approx(one.value, abs=0.005)  # two decimals are printed
        for exact, rounded, words in zip(one.metrics, other.metrics, printed.metrics, strict=True):
            assert exact.unit == rounded.unit == words.unit
            assert rounded.value == words.value == pytest.approx(exact.value, abs=0.0005)


def test_damaged_output_is_read_or_refused() -> None:
    read, refused = check(0, 6_000)
    assert min(read, refused) > 300


def test_it_streams() -> None:
    """A row comes when the line after it was read, not at the end."""
    lines = iter((NEWER / "7.3-json-default-events.out").read_text().splitlines())
    first = next(iter(parse(lines)))
    assert first.line == 1
    assert len(list(lines)) == 3


def test_the_command_prints_rows_and_refuses_in_one_line(tmp_path: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "perf_stat_parser", *words]
        folder = Path(perf_stat_parser.__file__).parent.parent
        return subprocess.run(argv, capture_output=True, text=True, cwd=folder, check=False)

    good = command(str(NEWER / "7.3-json-group.out"))
    assert (good.returncode, good.stdout.count('"state": "counted"')) == (0, 2)
    bad = tmp_path / "bad"
    bad.write_text('{"counter-value" : "x", "event" : "e"}\n')
    refused = command(str(bad))
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert command(str(tmp_path / "none")).stderr.endswith("No such file or directory\n")


def test_it_needs_nothing_but_the_standard_library() -> None:
    folder = Path(perf_stat_parser.__file__).parent
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c",
         f"import sys; sys.path.insert(0, {str(folder.parent)!r}); import perf_stat_parser"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_captures_are_there() -> None:
    assert len(list(NEWER.glob("*.out"))) == 24
    assert len(captured()) > 60
