# SPDX-License-Identifier: GPL-2.0-only
"""Facts by cycle: counters since the first one; what cannot be read says why."""

import json
from dataclasses import replace

import pytest

from harness.counters.facts import memory, sampled
from harness.counters.facts.files import Files
from harness.counters.readings import RawTrial, of_trial
from harness.errors import DataError, TrialError
from harness.guest.agent import wire
from harness.model.reading import Reading, Status
from harness.tests.unit.captured_trials import changed, spec, trial

BUDDY = (
    "Node 0, zone      DMA      1      1      1      1      1      1      1      1      0"
    "      1      3 \n"
    "Node 0, zone    DMA32      2      3      5      7      8      9      1      2      0"
    "      4    400 \n"
)


def of_edges(*edges: str, **absent: str) -> list[Reading]:
    """Cycles 0, 1, ... made of the edges of a captured trial."""
    raw = trial("upstream")
    files = {}
    for number, edge in enumerate(edges):
        for name in ("proc/vmstat", "proc/meminfo", "proc/vmallocinfo"):
            files[f"cycle-{number}/{name}"] = raw.files[f"{edge}/{name}"]
        files[f"cycle-{number}/proc/buddyinfo"] = BUDDY.encode()
    gone = {key.replace("__", "/"): value for key, value in absent.items()}
    kept = {k: v for k, v in files.items() if k.partition("/")[2] not in gone}
    why = {f"cycle-{n}/{name}": said for n in range(len(edges)) for name, said in gone.items()}
    return sampled.of_cycles(Files(kept, why), range(len(edges)))


def values(found: list[Reading], name: str) -> dict[str, int | float | None]:
    return {r.labels["cycle"]: r.value for r in found if r.name == name}


def test_counters_begin_at_the_first_cycle() -> None:
    found = of_edges("open", "close", "end")
    flushes = values(found, "tlb.remote_flush")
    assert flushes["0"] == 0
    assert (flushes["2"] or 0) > (flushes["1"] or 0)
    assert set(values(found, "direct_map.4k")) == {"0", "1", "2"}
    held = values(found, "bpf.text.held_bytes")
    assert held["0"] == held["1"]
    assert (held["2"] or 0) < (held["1"] or 0)
    assert not values(found, "direct_map.collapses_2m")  # this kernel's direct map never heals


def test_a_counter_that_falls_is_none() -> None:
    """By the same code as between the edges."""
    lines = (b"nr_tlb_remote_flush 5\n", b"nr_tlb_remote_flush 3\n", b"nr_tlb_remote_flush 9\n")
    files = {f"cycle-{n}/proc/vmstat": line for n, line in enumerate(lines)}
    flushes = {
        r.labels["cycle"]: r
        for r in sampled.of_cycles(Files(files, {}), range(3))
        if r.name == "tlb.remote_flush"
    }
    assert (flushes["0"].value, flushes["2"].value) == (0, 4)
    assert (flushes["1"].value, flushes["1"].status) == (None, Status.NOT_SUPPORTED)
    assert flushes["1"].reason == "nr_tlb_remote_flush fell from 5 to 3: no counter"


def test_counters_of_newer_kernels() -> None:
    files = {f"cycle-{n}/proc/vmstat": b"direct_map_level2_collapses %d\n" % n for n in range(2)}
    readings = sampled.of_cycles(Files(files, {}), range(2))
    assert values(readings, "direct_map.collapses_2m") == {"0": 0, "1": 1}
    assert not values(readings, "direct_map.collapses_1g")


def test_free_memory_in_large_pieces() -> None:
    assert memory.buddy(BUDDY) == {"large": 1 + 3 * 2 + 4 + 400 * 2}
    for bad in ("", "Node 0, zone DMA 1 2 3\n", "Node 0: Normal\n"):
        with pytest.raises(DataError):
            memory.buddy(bad)


def test_what_cannot_be_read_says_why() -> None:
    found = of_edges("open", "end", proc__buddyinfo="/proc/buddyinfo: No such file or directory")
    (first, _) = (r for r in found if r.name == "memory.free_large")
    assert (first.value, first.status) == (None, Status.NOT_SUPPORTED)
    assert "No such file" in first.reason
    assert all(r.value is not None for r in found if r.name == "direct_map.4k")


def aged(number: int = 2) -> RawTrial:
    """The captured trial, as if its window had been that of cycle 0 as well."""
    raw = trial("upstream")
    assert raw.report is not None
    report = json.loads(raw.report)
    (window,) = (w for w in report["windows"] if w["id"] == 1)
    report["windows"].append({**window, "id": 2})
    files = {f"cycle-0/{k[5:]}": v for k, v in raw.files.items() if k.startswith("open/")}
    cycle = wire.Cycle(window=number, cycle=0, ns=5_000_000)
    sent = changed(raw, files={**raw.files, **files}, cycles=(cycle,))
    return replace(sent, report=json.dumps(report).encode())


def test_the_model_counts_by_cycle_what_does_not_move() -> None:
    found = of_trial(spec(), aged())
    assert set(found.windows.values()) == {"measured"}
    by_cycle = [r for r in found.readings if r.labels.get("cycle") == "0"]
    measured = {
        (r.name, r.labels["origin"]): r.value
        for r in found.readings
        if r.labels.get("window") == "measured" and "origin" in r.labels
    }
    walks = {
        r.labels["origin"]: r.value or 0 for r in by_cycle if r.name == "itlb.walk_completed_4k"
    }
    assert set(walks) == {"all", "user", "kernel_image", "dynamic"}
    assert walks["all"] == sum(value for origin, value in walks.items() if origin != "all")
    assert walks.pop("dynamic") > 0
    for origin, value in walks.items():
        assert value == measured["itlb.walk_completed_4k", origin]
    assert [r.value for r in by_cycle if r.name == "cycle.seconds"] == [0.005]
    assert not any("window" in r.labels for r in by_cycle)


def test_a_cycle_that_the_model_did_not_see_is_refused() -> None:
    with pytest.raises(TrialError, match="no window of cycle 0"):
        of_trial(spec(), aged(9))
