# SPDX-License-Identifier: GPL-2.0-only
"""Counted calls of kernel functions: differences by phase, unknown with a reason, never 0."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from harness.counters.facts import calls
from harness.counters.facts.files import EDGES, Files
from harness.counters.facts.snapshots import Snapshot, first_number
from harness.errors import TrialError
from harness.guest.agent import wire
from harness.metrics.catalogue import read_by
from harness.metrics.readers import CountedCalls
from harness.model.reading import Reading, Source, Status
from harness.tests.unit.captured_trials import snapshot

MULTI, ALL, DONE = 0x1000, 0x2000, 0x3000
ADDRESSES: dict[str, int | None] = {
    "native_flush_tlb_multi": MULTI,
    "flush_tlb_all": ALL,
    "do_flush_tlb_all": DONE,
    "__split_large_page": None,
}
WHY = {"__split_large_page": "the compiler inlined it"}
COUNTS = {MULTI: (5, 7, 7, 9), ALL: (1, 1, 2, 4), DONE: (2, 2, 4, 8)}


def made(
    counts: Mapping[int, tuple[int, ...]] = COUNTS,
    addresses: dict[str, int | None] = ADDRESSES,
    interrupts: tuple[int, ...] = (10, 20, 30, 60),
    reasons: dict[str, str] = WHY,
    exact: bool = True,
) -> dict[tuple[str, ...], Reading]:
    """Readings by name, function and phase."""
    taken = {
        first_number(edge): msgspec.convert(
            snapshot(first_number(edge), [])
            | {"watch": [c[n] for c in counts.values()], "exact": exact},
            Snapshot,
        )
        for n, edge in enumerate(EDGES)
    }
    files = {
        f"{edge}/proc/interrupts": f"  CPU0 CPU1\nTLB: {row} 0 TLB shootdowns\n".encode()
        for edge, row in zip(EDGES, interrupts, strict=True)
    }
    asked = wire.Calls(addresses=addresses)
    found = calls.of_trial(Files(files, {}), asked, reasons, list(counts), taken)
    return {(r.name, r.labels.get("function", ""), r.labels["phase"]): r for r in found}


def values(found: dict[tuple[str, ...], Reading], name: str, function: str = "") -> list[Any]:
    return [found[name, function, phase].value for phase in ("load", "window", "unload", "trial")]


def test_calls_are_differences_between_edges() -> None:
    found = made()
    assert values(found, "kernel.calls", "native_flush_tlb_multi") == [2, 0, 2, 4]
    assert values(found, "tlb.remote_flush") == [2, 1, 4, 7]
    assert values(found, "tlb.remote_flush_received") == [10, 12, 34, 56]
    assert {r.source for r in found.values()} == {Source.MODEL}


def test_what_is_not_counted_is_unknown_and_says_why() -> None:
    found = made()
    split = found["kernel.calls", "__split_large_page", "load"]
    assert (split.status, split.reason) == (Status.NOT_SUPPORTED, "the compiler inlined it")
    assert found["direct_map.splits", "", "trial"].reason == "the compiler inlined it"
    other = found["kernel.calls", "vfree", "load"]
    assert (other.value, other.reason) == (None, "the guest did not look vfree up")
    gone = made(
        addresses={**ADDRESSES, "flush_tlb_all": None}, reasons={"flush_tlb_all": "2 of it"}
    )
    assert gone["tlb.remote_flush", "", "load"].reason == "2 of it"
    assert gone["tlb.remote_flush_received", "", "load"].value == 10


def test_a_count_that_falls_is_no_count() -> None:
    fell = made({**COUNTS, ALL: (5, 4, 4, 4)})["kernel.calls", "flush_tlb_all", "load"]
    assert fell.status is Status.NOT_SUPPORTED
    assert "fell from 5 to 4" in fell.reason


def test_watches_that_were_not_armed_count_nothing() -> None:
    late = made(exact=False)["kernel.calls", "flush_tlb_all", "load"]
    assert (late.status, late.value) == (Status.NOT_SUPPORTED, None)
    assert "not armed" in late.reason


def test_a_function_under_its_newer_name() -> None:
    newer = {"smp_text_poke_single": MULTI, "text_poke_bp": None}
    found = made({MULTI: (1, 2, 3, 4)}, newer, reasons={"text_poke_bp": "none"})
    assert values(found, "kernel.calls", "text_poke_bp") == [1, 1, 1, 3]


def test_an_address_that_the_model_does_not_count() -> None:
    with pytest.raises(TrialError, match="does not count flush_tlb_all, which the guest asked"):
        made({MULTI: (1, 2, 3, 4)})


def test_nothing_without_the_question() -> None:
    assert calls.of_trial(Files({}, {}), None, {}, [], {}) == []


def test_the_list_fits_the_model_and_names_each_function_once() -> None:
    assert len(calls.SYMBOLS) < calls.MAX_WATCH
    assert len({f.name for f in calls.FUNCTIONS}) == len(calls.FUNCTIONS)
    assert sum(len(f.symbols) for f in calls.FUNCTIONS) == len(calls.SYMBOLS)
    names = {f.name for f in calls.FUNCTIONS}
    assert all(name in names for _, total in read_by(CountedCalls) for name in total.functions)
    assert all(f.meaning and f.source.endswith(".c") for f in calls.FUNCTIONS)
