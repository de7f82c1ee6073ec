# SPDX-License-Identifier: GPL-2.0-only
"""perf stat's three formats, captured from perf 6.1 without a PMU, and the mistakes of others."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.counters.perf_stat_parser import (
    Metric,
    ParseError,
    Row,
    State,
    matched,
    normalised,
    parse,
    parse_csv,
    parse_json,
    parse_text,
)
from harness.tests.golden import DATA

CAPTURED = DATA / "counters" / "perf"
WALK_4K, WALK_2M = "itlb_misses.walk_completed_4k", "itlb_misses.walk_completed_2m_4m"


def separator(path: Path) -> str:
    if not path.name.startswith("csv"):
        return ""
    return "," if "comma" in path.name else ";"


def rows(name: str) -> list[Row]:
    path = CAPTURED / f"{name}.out"
    return list(parse(path.read_text().splitlines(), separator(path)))


@pytest.mark.parametrize("path", sorted(CAPTURED.glob("*.out")), ids=lambda p: p.stem)
def test_every_count_of_every_capture_is_a_row(path: Path) -> None:
    """No row is lost, whatever its state; each keeps the number of its line."""
    lines = path.read_text().splitlines()
    found = list(parse(lines, separator(path)))
    named = ("iTLB-load-misses", "context-switches", "page-faults", "-clock", "r0285")
    counts = [n for n, line in enumerate(lines, 1) if any(name in line for name in named)]
    assert [row.line for row in found if any(name in row.event for name in named)] == counts
    for row in found:
        assert row.event in lines[row.line - 1]
        absent = row.state in (State.NOT_SUPPORTED, State.NOT_COUNTED)
        assert (row.value is None) == absent
        assert absent == ("<not " in lines[row.line - 1])


@pytest.mark.parametrize(
    ("json", "csv", "text"),
    [
        ("json-default-events", "csv-default-events", "text-default-events"),
        ("json-interval-workload-ended", "csv-interval-summary", None),
        ("json-per-core", "csv-per-core", "text-per-core"),
        ("json-repeated", "csv-repeated", "text-repeated"),
    ],
)
def test_formats_agree_on_what_is_there(json: str, csv: str, text: str | None) -> None:
    def shape(name: str) -> list[tuple[object, ...]]:
        return [
            (row.event, row.unit, row.state, row.aggregate, row.members)
            for row in rows(name)
            if not row.summary
        ]

    assert shape(json) == shape(csv)
    if text is not None:
        without_unit = [(e, s, a, m) for e, _, s, a, m in shape(json)]
        assert [(e, s, a, m) for e, _, s, a, m in shape(text)] == without_unit


def test_intervals_are_differences_with_their_time_and_a_summary() -> None:
    found = [row for row in rows("csv-interval-summary") if row.event == "context-switches"]
    assert [row.value for row in found] == [1, None, None, 0, 1]
    assert [row.interval for row in found][:2] == [0.100144084, 0.200372954]
    assert [row.summary for row in found] == [False] * 4 + [True]
    assert found[1].state is State.NOT_COUNTED  # the workload had ended


def test_aggregates_and_cgroups() -> None:
    assert {row.aggregate for row in rows("json-per-core")} == {"core S0-D0-C0", "core S0-D0-C1"}
    assert {(r.aggregate, r.members) for r in rows("json-per-socket")} == {("socket S0", 2)}
    assert {(r.aggregate, r.members) for r in rows("json-per-node")} == {("node N0", 2)}
    assert {row.aggregate for row in rows("csv-per-cpu")} == {"cpu 0", "cpu 1"}
    assert [row.cgroup for row in rows("json-cgroup")] == ["/"]
    assert [row.cgroup for row in rows("csv-cgroup")] == ["/"]


def test_metrics_are_kept_and_made_up_ones_are_not() -> None:
    clock = next(row for row in rows("csv-semicolon") if row.event == "task-clock")
    assert (clock.value, clock.unit) == (0.65, "msec")
    assert clock.metrics == (Metric(0.003, "CPUs utilized"),)
    # perf 6.1 prints a metric of 0 in the unit "(null)" beside counts that have none.
    assert all(row.metrics == () for row in rows("json-no-pmu"))


def test_variance_is_before_the_run_time_not_behind_the_percentage() -> None:
    clock = next(row for row in rows("csv-repeated") if row.event == "task-clock")
    assert (clock.variance_percent, clock.runtime_ns, clock.running_percent) == (1.24, 665953, 100)


def test_a_member_without_pmu_leaves_its_leader_uncounted() -> None:
    states = [row.state for row in rows("json-group-member-unsupported")]
    assert states == [State.NOT_COUNTED, State.NOT_SUPPORTED]


# CSV of a machine with a PMU; the layout is that of the captures.


def test_raw_names_with_commas_survive_both_separators() -> None:
    for mark in ",;":
        name = "cpu/event=0x85,umask=0x02/"
        line = mark.join(["1200", "", name, "50000000", "100.00", "", ""])
        (found,) = parse_csv([line], mark)
        assert (found.event, found.value) == (name, 1200)


def test_extra_metric_rows_belong_to_the_event_before() -> None:
    lines = [
        "S0-D0-C0;1;900;;cycles;1000;100.00;3.1;GHz",
        "S0-D0-C0;1;;;;;;0.50;stalled cycles per insn",
        "S0-D0-C0;1;450;;instructions;1000;100.00;0.50;insn per cycle",
    ]
    cycles, instructions = parse_csv(lines)
    assert cycles.metrics == (Metric(3.1, "GHz"), Metric(0.5, "stalled cycles per insn"))
    assert (instructions.line, instructions.value) == (3, 450)


def test_metrics_that_are_not_finite_have_no_value() -> None:
    (csv,) = parse_csv(["5;;cycles;1000;100.00;inf;insn per cycle"])
    (text,) = parse_text(["   5      cycles      #   nan insn per cycle"])
    (json,) = parse_json(
        [
            '{"counter-value" : "5.0", "unit" : "", "event" : "cycles", "event-runtime" : 1000, '
            '"pcnt-running" : 100.00, "metric-value" : inf, "metric-unit" : "insn per cycle"}'
        ]
    )
    for row in (csv, text, json):
        assert row.value == 5
        assert row.metrics == (Metric(None, "insn per cycle"),)


def test_text_says_the_percentage_only_when_it_multiplexed() -> None:
    lines = [
        "         1,234,567      r0285                   #    0.5 /sec     (33.34%)",
        "             1,000      r0485",
    ]
    scaled, whole = parse_text(lines)
    assert (scaled.value, scaled.state, scaled.running_percent) == (1234567, State.SCALED, 33.34)
    assert (whole.value, whole.state) == (1000, State.COUNTED)


def test_newer_perf_quotes_metrics_renames_counters_and_adds_keys() -> None:
    (found,) = parse_json(
        [
            '{"core" : "S0-D0-C0", "counters" : 2, "counter-value" : "7.0", "unit" : "", '
            '"event" : "r0285", "event-runtime" : 9, "pcnt-running" : 100.00, '
            '"metric-value" : "1.5", "metric-unit" : "x", "metric-threshold" : "good"}'
        ]
    )
    assert (found.members, found.metrics) == (2, (Metric(1.5, "x"),))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("54;;page-fau", "no run time"),
        ("0,65;msec;task-clock;646334;100.00;;", "neither a count nor an aggregate"),
        ("inf;;cycles;1000;100.00;;", "neither a count nor an aggregate"),
        ("-5;;cycles;1000;100.00;;", "below 0"),
        ("5;;cycles;1000;140.00;;", "140 % of the time"),
        ("<not counted>;;cycles;1000;100.00;;", "but ran for 1000 ns"),
        ("5;;;1000;100.00;;", "no event"),
        ("5;;cpu/event=1;1000;100.00;;", "no end"),
        ("no perf output at all", "neither a count nor an aggregate"),
    ],
)
def test_csv_that_cannot_be_trusted_is_quoted(line: str, why: str) -> None:
    with pytest.raises(ParseError, match="line 3") as caught:
        list(parse_csv(["# started on Mon", "", line]))
    assert why in str(caught.value)
    assert line[:20] in str(caught.value)
    assert caught.value.line == 3


@pytest.mark.parametrize(
    "line",
    [
        "   1.2.3      cycles",
        "   <not supported>",
        "   5  cycles  user.slice",  # unit and event, or event and cgroup
    ],
)
def test_text_that_cannot_be_trusted_is_quoted(line: str) -> None:
    with pytest.raises(ParseError, match="line 1"):
        list(parse_text([line]))


# Names.


def row(event: str, line: int, **more: str) -> Row:
    return Row(
        line=line,
        event=event,
        value=float(line),
        unit="",
        state=State.COUNTED,
        runtime_ns=1,
        running_percent=100,
        **more,  # type: ignore[arg-type]
    )


def test_names_of_equal_beginning_stay_apart() -> None:
    found = matched([row(WALK_4K, 1), row(WALK_2M, 2)], [WALK_2M, WALK_4K])
    assert [[r.line for r in rows] for rows in found] == [[2], [1]]
    found = matched([row(WALK_4K, 1), row(WALK_2M, 2)], [WALK_4K, WALK_2M])
    assert [[r.line for r in rows] for rows in found] == [[1], [2]]


def test_one_event_asked_for_twice_gets_a_row_each_time() -> None:
    found = matched([row("cycles", 1), row("cycles", 2)], ["cycles", "cycles:u"])
    assert [[r.line for r in rows] for rows in found] == [[1], [2]]


def test_an_event_of_two_pmus_gets_both_rows() -> None:
    hybrid = [row("cpu_core/r0285/", 1), row("cpu_atom/r0285/", 2), row("cycles", 3)]
    found = matched(hybrid, ["r0285", "cycles"])
    assert [[r.line for r in rows] for rows in found] == [[1, 2], [3]]


def test_aggregates_are_matched_each_on_its_own() -> None:
    per_cpu = [
        row("a", 1, aggregate="cpu 0"),
        row("a", 2, aggregate="cpu 1"),
        row("b", 3, aggregate="cpu 0"),
        row("b", 4, aggregate="cpu 1"),
    ]
    assert [[r.line for r in rows] for rows in matched(per_cpu, ["a", "b", "c"])] == [
        [1, 2],
        [3, 4],
        [],
    ]


@pytest.mark.parametrize(
    ("event", "name"),
    [
        ("page-faults:u", "page-faults"),
        ("cpu_core/r0285/k", "r0285"),
        ("cpu/event=0x85,umask=0x02/", "cpu/event=0x85,umask=0x02/"),
        (f"cpu/event=0x85,umask=0x02,name={WALK_4K}/", WALK_4K),
        ("cycles [cpu_core]", "cycles"),
        ("tlb:tlb_flush", "tlb:tlb_flush"),
    ],
)
def test_normalised(event: str, name: str) -> None:
    assert normalised(event) == name


# Anything at all: a row or a ParseError that quotes, never another error.

# Words that lead far into the parsers.
_WORDS = st.sampled_from(
    (
        *("5", "1.50", "<not counted>", "<not supported>", "", "cycles", "100.00", "1.20%"),
        *("     0.100144084", "         summary", "S0-D0-C0", "CPU1", "1,000", "nan"),
        *("cpu/event=1", "#", "{}"),
    )
)


@given(st.lists(st.lists(_WORDS, max_size=11).map(";".join), max_size=4))
def test_csv_never_breaks(lines: list[str]) -> None:
    check(lines, ";")


@given(st.lists(st.lists(_WORDS | st.text(max_size=5), max_size=8).map(" ".join), max_size=4))
def test_text_never_breaks(lines: list[str]) -> None:
    check(lines, "")


def check(lines: list[str], mark: str) -> None:
    try:
        for found in parse(lines, mark):
            assert 1 <= found.line <= len(lines)
            assert (found.value is None) == (
                found.state in (State.NOT_COUNTED, State.NOT_SUPPORTED)
            )
    except ParseError as error:
        assert 1 <= error.line <= len(lines)


@given(
    value=st.integers(0, 10**15),
    event=st.from_regex(r"[a-z][a-z0-9_.-]{0,30}", fullmatch=True),
    runtime=st.integers(1, 10**15),
    percent=st.integers(1, 100),
    cgroup=st.sampled_from(["", "user.slice", "/"]),
    core=st.sampled_from(["", "S0-D0-C1;2;", "CPU3;"]),
    interval=st.sampled_from(["", "     1.000144084;"]),
)
def test_csv_gives_back_what_was_printed(
    value: int, event: str, runtime: int, percent: int, cgroup: str, core: str, interval: str
) -> None:
    group = f";{cgroup}" if cgroup else ""
    line = f"{interval}{core}{value};;{event}{group};{runtime};{percent}.00;;"
    (found,) = parse_csv([line])
    assert (found.value, found.event, found.cgroup) == (value, event, cgroup)
    assert (found.runtime_ns, found.running_percent) == (runtime, percent)
    assert found.state is (State.COUNTED if percent == 100 else State.SCALED)
    assert bool(found.interval) == bool(interval)
