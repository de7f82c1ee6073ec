# SPDX-License-Identifier: GPL-2.0-only
"""Sums and rates: an unknown part makes an unknown whole, nothing becomes 0."""

import pytest

from harness.analysis import derive
from harness.metrics import shipped
from harness.model.reading import Reading, Source, Status, unknown

MODEL = Source.MODEL
CHURN = shipped.declarations()["churn"]
BENCH = shipped.declarations()["trig-kprobe"]


def walks(value: int | None, **labels: str) -> Reading:
    if value is None:
        return unknown("itlb.walks", "event", MODEL, Status.FAILED, "lost", labels)
    return Reading(name="itlb.walks", value=value, unit="event", source=MODEL, labels=labels)


def seconds(value: float, source: Source = MODEL) -> Reading:
    labels = {"window": "w"}
    return Reading(name="window.seconds", value=value, unit="s", source=source, labels=labels)


def test_origins_are_summed_to_groups() -> None:
    parts = [walks(1, origin="bpf_prog"), walks(2, origin="bpf_trampoline")]
    parts += [walks(4, origin="module"), walks(8, origin="other"), walks(9, origin="user")]
    found = {r.labels["origin"]: r.value for r in derive.groups(parts)}
    assert found == {"bpf": 3, "rest": 12}


def test_windows_are_not_mixed() -> None:
    parts = [walks(1, origin="bpf_prog", window="a"), walks(2, origin="bpf_prog", window="b")]
    found = {(r.labels["origin"], r.labels["window"]): r.value for r in derive.groups(parts)}
    assert found == {("bpf", "a"): 1, ("bpf", "b"): 2}


def test_unknown_part_makes_unknown_sum() -> None:
    (found,) = derive.groups([walks(1, origin="bpf_prog"), walks(None, origin="bpf_dispatcher")])
    assert (found.value, found.status, found.reason) == (None, Status.FAILED, "lost")
    assert found.labels == {"origin": "bpf"}


def hits(value: float, name: str = "bench.hits", **labels: str) -> Reading:
    return Reading(name=name, value=value, unit="10^6/s", source=Source.WORKLOAD, labels=labels)


def test_instances_are_averaged() -> None:
    (found,) = derive.groups([hits(3, instance="0"), hits(4, instance="1")], BENCH)
    assert (found.value, dict(found.labels)) == (3.5, {})
    assert derive.groups([hits(3, instance="0"), hits(9)], BENCH) == ()  # reported by itself
    assert derive.groups([hits(3, "latency", instance="0")], BENCH) == ()  # nobody knows how


def test_rates() -> None:
    found = derive.per_second(walks(100, window="w"), seconds(4.0))
    assert (found.value, found.unit) == (25.0, "event/s")
    operations = Reading(name="ops", value=50, unit="operation", source=MODEL)
    assert derive.divided(walks(100), operations, "operation").value == 2.0


@pytest.mark.parametrize(
    ("reading", "by", "reason"),
    [
        (walks(None), seconds(2.0), "lost"),
        (walks(5), None, "s: not reported"),
        (walks(5), seconds(0.0), "window.seconds is 0"),
        (
            walks(5),
            unknown("window.seconds", "s", MODEL, Status.NOT_COUNTED, "no window"),
            "window.seconds: no window",
        ),
    ],
)
def test_rate_of_unknown(reading: Reading, by: Reading | None, reason: str) -> None:
    found = derive.per_second(reading, by)
    assert found.value is None
    assert found.reason == reason
    assert found.unit == "event/s"


def test_zero_stays_zero() -> None:
    assert derive.per_second(walks(0), seconds(2.0)).value == 0


def test_scaled_stays_scaled() -> None:
    scaled = Reading(
        name="x", value=8, unit="event", source=Source.PERF, status=Status.SCALED, reason="50 %"
    )
    found = derive.per_second(scaled, seconds(2.0))
    assert (found.status, found.value, found.reason) == (Status.SCALED, 4.0, "50 %")


def test_denominator_of_one_source_for_all_trials() -> None:
    both = derive.denominators([seconds(1.0), seconds(9.0, Source.PERF)], [])
    model_only = derive.denominators([seconds(1.0)], [])
    pick = derive.pick_source
    assert pick("window.seconds", "w", Source.PERF, [both, both]) is Source.PERF
    assert pick("window.seconds", "w", Source.PERF, [both, model_only]) is Source.MODEL
    assert pick("window.seconds", "w", Source.KERNEL, [both]) is Source.MODEL
    assert pick("window.seconds", "other", Source.MODEL, [both]) is None
    assert pick("ops", "w", Source.MODEL, [both]) is None


def test_context_switches_divide_in_the_window() -> None:
    def switches(value: int, source: Source, **labels: str) -> Reading:
        return Reading(
            name="context_switches", value=value, unit="event", source=source, labels=labels
        )

    by = derive.denominators(
        [
            switches(9, Source.KERNEL, phase="load"),
            switches(4, Source.KERNEL, phase="window"),
            switches(5, Source.PERF, window="measured", origin="all"),
        ],
        ["measured"],
    )
    own = derive.pick_source("context_switches", "measured", Source.MODEL, [by])
    assert own is Source.PERF
    assert by["context_switches", "measured", Source.KERNEL].value == 4


def test_host_time_divides_nothing() -> None:
    host = derive.denominators([seconds(1.0, Source.HOST)], [])
    assert derive.pick_source("window.seconds", "w", Source.MODEL, [host]) is None


def test_window_of() -> None:
    assert derive.window_of(walks(1, window="w"), ["a", "b"]) == "w"
    assert derive.window_of(walks(1, phase="window"), ["a"]) == "a"
    assert derive.window_of(walks(1, phase="window"), ["a", "b"]) is None
    assert derive.window_of(walks(1, phase="load"), ["a"]) is None
    # Between the edges is the window that every workload has, whatever others it counts.
    assert derive.window_of(walks(1, phase="window"), ["measured", "alone"]) == "measured"


def flushes(value: int | None, phase: str) -> Reading:
    labels = {"phase": phase}
    if value is None:
        return unknown("tlb.remote_flush", "event", Source.KERNEL, Status.FAILED, "lost", labels)
    return Reading(
        name="tlb.remote_flush", value=value, unit="event", source=Source.KERNEL, labels=labels
    )


def loads(value: int) -> Reading:
    return Reading(name="load.count", value=value, unit="load", source=Source.WORKLOAD)


def test_events_per_thousand_loads_are_those_of_the_window() -> None:
    parts = [flushes(70, "load"), flushes(30, "window"), loads(2000), walks(5)]
    found = derive.groups(parts, CHURN)
    (one,) = found
    assert (one.name, one.value, one.unit) == ("tlb.remote_flush.per_1k_loads", 15.0, "event")
    assert derive.groups([flushes(30, "window")], CHURN) == ()
    assert derive.groups(parts) == (), "no workload asks for it"


def instructions(value: int, window: str) -> Reading:
    labels = {"window": window}
    return Reading(name="insn.kernel", value=value, unit="instruction", source=MODEL, labels=labels)


def test_instructions_per_load_and_unload_of_the_probe() -> None:
    probe = Reading(name="load.probe", value=200, unit="program", source=Source.WORKLOAD)
    windows = [
        instructions(9_000, "measured"),
        instructions(5_000, "probe-load"),
        instructions(300, "probe-unload"),
    ]
    found = {r.name: r for r in derive.groups([*windows, probe], CHURN)}
    assert {name: r.value for name, r in found.items()} == {
        "load.instructions": 25.0,
        "unload.instructions": 1.5,
    }
    assert {(r.unit, r.source, len(r.labels)) for r in found.values()} == {
        ("instruction", MODEL, 0)
    }
    assert derive.groups(windows, CHURN) == ()
    assert derive.groups([probe], CHURN) == (), "no model, no instructions"


def test_counted_calls_are_divided_like_the_kernels_own() -> None:
    labels = {"phase": "window"}
    sent = Reading(name="tlb.remote_flush", value=30, unit="event", source=MODEL, labels=labels)
    (one,) = derive.groups([sent, loads(2000)], CHURN)
    assert (one.name, one.source, one.value) == ("tlb.remote_flush.per_1k_loads", MODEL, 15.0)


def test_no_rate_over_no_loads_and_none_of_an_unknown() -> None:
    for found in (
        derive.groups([flushes(30, "window"), loads(0)], CHURN),
        derive.groups([flushes(None, "window"), loads(2000)], CHURN),
    ):
        assert [r.value for r in found] == [None]
        assert found[0].reason
