# SPDX-License-Identifier: GPL-2.0-only
"""The perf stat parser on captured output (perf 6.1, a machine without a PMU) and on lies."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.counters import perf
from harness.counters.perf_stat_parser import ParseError, State, normalised, parse_json
from harness.errors import DataError
from harness.model.reading import Status
from harness.tests.golden import DATA

CAPTURED = DATA / "counters"


def lines(name: str) -> list[str]:
    return (CAPTURED / name).read_text().splitlines()


def row(**changes: object) -> str:
    fields = {
        "counter-value": "100.0",
        "unit": "",
        "event": "r0285",
        "event-runtime": 1000,
        "pcnt-running": 100.0,
    }
    return json.dumps(fields | changes)


def test_no_pmu_is_not_supported_though_it_says_100_percent() -> None:
    rows = {r.event: r for r in parse_json(lines("no-pmu.json"))}
    for event in ("iTLB-load-misses", "r0285", "r0485"):
        assert rows[event].state is State.NOT_SUPPORTED
        assert rows[event].value is None
        assert rows[event].running_percent == 100
    assert rows["context-switches"].value == 285
    assert rows["context-switches"].line == 6


def test_intervals_and_cores() -> None:
    intervals = [r.interval for r in parse_json(lines("interval.json"))]
    assert len(intervals) == 4
    assert intervals == sorted(i for i in intervals if i is not None)
    cores = list(parse_json(lines("per-core.json")))
    assert [r.aggregate for r in cores] == ["core S0-D0-C0", "core S0-D0-C1"]


def test_metric_only_prints_empty_objects() -> None:
    assert list(parse_json(lines("metric-only.json"))) == []


def test_multiplexed_is_scaled() -> None:
    (found,) = parse_json([row(**{"pcnt-running": 50})])
    assert (found.state, found.value) == (State.SCALED, 100)


def test_zero_runtime_is_not_counted_whatever_the_value() -> None:
    (found,) = parse_json([row(**{"event-runtime": 0, "counter-value": "0.0"})])
    assert (found.state, found.value) == (State.NOT_COUNTED, None)


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        '"text"',
        row(**{"counter-value": "nan"}),
        row(**{"counter-value": "-1"}),
        row(**{"counter-value": "inf"}),
        row(**{"event-runtime": "soon"}),
    ],
)
def test_refused_with_the_line_quoted(bad: str) -> None:
    with pytest.raises(ParseError, match="line 2"):
        list(parse_json([row(), bad]))


@given(st.lists(st.text(max_size=40), max_size=5))
def test_never_crashes(text: list[str]) -> None:
    try:
        for found in parse_json(text):
            assert (found.value is None) == (
                found.state in (State.NOT_COUNTED, State.NOT_SUPPORTED)
            )
    except ParseError:
        pass


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("r0285:u", "r0285"),
        ("cpu_core/iTLB-load-misses/", "iTLB-load-misses"),
        ("iTLB-load-misses [cpu_core]", "iTLB-load-misses"),
        (
            "cpu/event=0x85,umask=0x2,name=itlb_misses.walk_completed_4k/",
            "itlb_misses.walk_completed_4k",
        ),
        ("itlb_misses.walk_completed_2m_4m", "itlb_misses.walk_completed_2m_4m"),
    ],
)
def test_normalised(event: str, name: str) -> None:
    assert normalised(event) == name


def test_4k_and_2m_4m_stay_apart() -> None:
    names = {"itlb_misses.walk_completed_4k", "itlb_misses.walk_completed_2m_4m"}
    assert {normalised(n + ":k") for n in names} == names


def test_readings_of_a_machine_without_pmu() -> None:
    output = (CAPTURED / "no-pmu.json").read_bytes()
    by_name = {r.name: r for r in perf.readings(output, b"", 0, "measured")}
    for name in ("iTLB-load-misses", "itlb.walk_completed_4k", "itlb.walk_completed_2m_4m"):
        assert by_name[name].status is Status.NOT_SUPPORTED
        assert by_name[name].value is None
        assert "<not supported>" in by_name[name].reason
    assert by_name["context_switches"].value == 285


def test_nothing_measured_gives_perfs_own_words() -> None:
    found = perf.readings(b"", b"event syntax error: 'x'\nmore", 129, "measured")
    assert {r.status for r in found} == {Status.NOT_SUPPORTED}
    assert all("129: event syntax error" in r.reason for r in found)


def test_missing_output_is_failed_and_missing_row_not_counted() -> None:
    assert {r.status for r in perf.readings(None, b"", None, "w")} == {Status.FAILED}
    found = perf.readings(row().encode(), b"", 0, "w")
    assert {r.name: r.status for r in found}["iTLB-load-misses"] is Status.NOT_COUNTED


def test_scaled_reading_says_by_how_much() -> None:
    found = perf.readings(row(**{"pcnt-running": 37}).encode(), b"", 0, "w")
    scaled = next(r for r in found if r.name == "itlb.walk_completed_4k")
    assert (scaled.status, scaled.reason) == (Status.SCALED, "counted 37 % of the time")


def test_one_event_twice_is_refused() -> None:
    with pytest.raises(DataError, match="twice"):
        perf.readings((row() + "\n" + row()).encode(), b"", 0, "w")


def test_asked_for_one_by_one() -> None:
    from harness.guest.agent.perf_stat import argv

    words = argv(list(perf.requested()), ["sleep", "1"])
    assert words.count("-e") == len(perf.requested())
    assert Path(words[0]).name == "perf"
