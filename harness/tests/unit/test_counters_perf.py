# SPDX-License-Identifier: GPL-2.0-only
"""What perf is asked for on each CPU, and what its answers become."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.counters import events, perf
from harness.counters.events import (
    AMD,
    INTEL,
    SOFTWARE,
    STLB_HIT,
    WALK_2M,
    WALK_4K,
    WALK_COALESCED,
    Cpu,
)
from harness.errors import DataError
from harness.guest.agent import perf_stat
from harness.model.reading import Reading, Status
from harness.tests.golden import DATA

CAPTURED = DATA / "counters" / "perf"


def asked(vendor: str, family: int, model: int) -> dict[str, str]:
    found = events.for_cpu(Cpu(vendor=vendor, family=family, model=model))
    return {event.reading: event.name for event in found}


@pytest.mark.parametrize(
    ("vendor", "family", "model", "walk_4k", "walk_2m"),
    [
        (INTEL, 6, 0x3F, "r0285", "r0485"),  # Haswell-EP
        (INTEL, 6, 0x55, "r0285", "r0485"),  # Skylake-SP
        (INTEL, 6, 0x6A, "r0285", "r0485"),  # Ice Lake-SP
        (INTEL, 6, 0x8F, "r0211", "r0411"),  # Sapphire Rapids
        (INTEL, 6, 0xCF, "r0211", "r0411"),  # Emerald Rapids
        (INTEL, 6, 0xAD, "r0211", "r0411"),  # Granite Rapids
        (AMD, 0x17, 0x31, "r0185", "r0285"),  # Zen 2: 0x02 is 2 MB here
        (AMD, 0x19, 0x01, "r0185", "r0285"),  # Zen 3
        (AMD, 0x19, 0x11, "r0185", "r0285"),  # Zen 4
        (AMD, 0x1A, 0x02, "r0185", "r0285"),  # Zen 5
    ],
)
def test_codes_follow_the_cpu(
    vendor: str, family: int, model: int, walk_4k: str, walk_2m: str
) -> None:
    found = asked(vendor, family, model)
    assert found[WALK_4K] == walk_4k
    assert found[WALK_2M] == walk_2m
    assert found["iTLB-load-misses"] == "iTLB-load-misses"
    # Since Zen 3 walks for an entry of four pages of 4 kB count apart.
    assert found.get(WALK_COALESCED) == ("r0885" if vendor == AMD and family > 0x17 else None)
    amd, older = ("r0084", "r6085") if vendor == AMD else ("", "r6085")
    own = older if (family, model) == (6, 0x3F) else walk_4k.replace("02", "20", 1)
    assert found[STLB_HIT] == (amd or own)


@pytest.mark.parametrize(
    "cpu",
    [
        Cpu(vendor=INTEL, family=6, model=0x2A),  # Sandy Bridge: no event by page size
        Cpu(vendor=AMD, family=0x17, model=0x01),  # Zen 1
        Cpu(vendor="HygonGenuine", family=0x18, model=1),
        None,
    ],
)
def test_a_cpu_without_known_codes_is_asked_for_none(cpu: Cpu | None) -> None:
    chosen = events.for_cpu(cpu)
    assert perf.requested(chosen) == ("iTLB-load-misses", "context-switches")
    found = readings(b'{"counter-value" : "1.0", "event" : "iTLB-load-misses"}', 0, chosen)
    assert found[WALK_4K].status is Status.NOT_SUPPORTED
    assert "encoding" in found[WALK_4K].reason or "could not be told" in found[WALK_4K].reason


def test_parts_do_not_overlap() -> None:
    for part in events.PARTS:
        for model in part.models or {part.first}:
            cpu = Cpu(vendor=part.vendor, family=part.family, model=model)
            assert [p.name for p in events.PARTS if p.is_of(cpu)] == [part.name]


def test_cpu_of_cpuinfo() -> None:
    text = (
        "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\n"
        "model name\t: Intel(R) Xeon(R)\n\nprocessor\t: 1\nvendor_id\t: other\n"
    )
    assert events.cpu_of(text) == Cpu(vendor=INTEL, family=6, model=85)
    assert events.cpu_of("processor : 0\nBogoMIPS : 50.00\n") is None


def test_the_agent_runs_what_is_rendered_here() -> None:
    chosen = events.EVENTS
    rendered = perf.argv(chosen, 1.5, perf_stat.OUTPUT)
    assert rendered == tuple(
        perf_stat.argv(list(perf.requested(chosen)), perf_stat.sleep_argv(1.5))
    )
    assert rendered == (
        *("perf", "stat", "-a", "-j", "-o", perf_stat.OUTPUT, "-e", "iTLB-load-misses"),
        *("-e", "r0285", "-e", "r0485", "-e", "r2085", "-e", "context-switches"),
        *("--", "sleep", "1.5"),
    )


def readings(
    output: bytes | None,
    status: int | None,
    chosen: tuple[events.Event, ...] = events.EVENTS,
    errors: bytes = b"",
) -> dict[str, Reading]:
    return {r.name: r for r in perf.readings(output, errors, status, "measured", chosen)}


def captured(name: str) -> bytes:
    return (CAPTURED / name).read_bytes()


def test_no_pmu_at_all_and_nothing_measured() -> None:
    errors = captured("exit-129-no-pmu.stderr")
    found = readings(b"", 129, errors=errors)
    assert {r.status for r in found.values()} == {Status.NOT_SUPPORTED}
    assert "129" in found[WALK_4K].reason
    assert "Missing kernel support?" in found[WALK_4K].reason


def test_unsupported_leader_takes_all_with_it() -> None:
    output = captured("exit-255-leader-unsupported.out")
    found = readings(output, 255, errors=captured("exit-255-leader-unsupported.stderr"))
    assert {r.status for r in found.values()} == {Status.NOT_SUPPORTED}
    assert "The iTLB-load-misses event is not supported." in found[WALK_4K].reason


def test_unsupported_member_is_said_as_it_is() -> None:
    chosen = (events.Event(name="page-faults", reading=WALK_4K), events.GENERIC)
    found = readings(captured("json-group-member-unsupported.out"), 0, chosen)
    assert found[WALK_4K].status is Status.NOT_COUNTED
    assert found["iTLB-load-misses"].status is Status.NOT_SUPPORTED
    assert all(r.value is None for r in found.values())


def test_software_events_count_without_a_pmu() -> None:
    found = readings(captured("json-all-cpus.out"), 0, (events.GENERIC, *SOFTWARE))
    assert found["context_switches"].value == 328
    assert isinstance(found["context_switches"].value, int)
    assert found["context_switches"].labels == {"window": "measured", "origin": "all"}
    assert found["iTLB-load-misses"].status is Status.NOT_SUPPORTED


def line(event: str, value: str, percent: float) -> str:
    return json.dumps(
        {"counter-value": value, "event": event, "event-runtime": 9, "pcnt-running": percent}
    )


def test_hybrid_pmus_are_summed_and_scaled_if_one_is() -> None:
    output = line("cpu_core/r0285/", "10.0", 100) + "\n" + line("cpu_atom/r0285/", "5.0", 40)
    chosen = (events.Event(name="r0285", reading=WALK_4K),)
    found = readings(output.encode(), 0, chosen)[WALK_4K]
    assert (found.value, found.status) == (15, Status.SCALED)
    assert found.reason == "counted 40 % of the time"


def test_a_torn_line_is_refused() -> None:
    torn = captured("json-all-cpus.out")[:-40]
    with pytest.raises(DataError, match="line 5"):
        readings(torn, 0)


@given(
    part=st.sampled_from(events.PARTS),
    counters=st.integers(min_value=1, max_value=8),
)
def test_sets_fit_the_counters_and_leave_nothing_out(part: events.Part, counters: int) -> None:
    asked = (*part.events, *SOFTWARE)
    sets = events.sets(asked, counters)
    flat = [event for one in sets for event in one]
    assert sorted(flat, key=asked.index) == list(asked), "each once"
    on_hardware = [sum(event not in SOFTWARE for event in one) for one in sets]
    assert max(on_hardware) <= counters
    assert max(on_hardware) - min(on_hardware) <= 1
    assert len(sets) == -(-len(part.events) // counters), "as few as can be"
    assert set(SOFTWARE) <= set(sets[0])


def test_as_shipped_every_part_counts_all_at_once() -> None:
    for part in events.PARTS:
        assert len(events.sets((*part.events, *SOFTWARE), part.counters)) == 1


def test_a_cpu_that_is_not_known_has_the_fewest_counters() -> None:
    assert events.counters_of(None) == 4
    assert events.counters_of(Cpu(vendor="Other", family=1, model=1)) == 4
    assert events.counters_of(Cpu(vendor=AMD, family=0x19, model=0x11)) == 6
