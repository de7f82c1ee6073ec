# SPDX-License-Identifier: GPL-2.0-only
"""The plugin's report: a real one is read, a damaged one is refused by name."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from harness.counters import itlb
from harness.counters.attribution import Misses
from harness.errors import DataError, TrialError
from harness.model.reading import Status
from harness.tests.unit.captured_trials import coalesced, followed, trial

Document = dict[str, Any]


def document() -> Document:
    """A real report, cut down to one window beside the whole run."""
    raw = trial("upstream").report
    assert raw is not None
    found: Document = json.loads(raw)
    return found


def refused(change: Callable[[Document], object]) -> str:
    damaged = document()
    change(damaged)
    with pytest.raises(TrialError) as caught:
        itlb.decode(json.dumps(damaged).encode())
    return str(caught.value)


def test_a_real_report_is_read() -> None:
    report = itlb.decode(json.dumps(document()).encode())
    assert [window.id for window in report.windows] == [0, 1]
    assert report.windows[1].totals == Misses(stlb_hits=1070, walks_4k=1009, walks_2m=224)


def test_a_cpu_that_holds_four_pages_as_one() -> None:
    report = itlb.decode(coalesced(json.dumps(document()).encode()))
    assert report.windows[1].totals == Misses(stlb_hits=1070, walks_16k=1009, walks_2m=224)
    names = {reading.name for reading in itlb.readings(report.windows[1], "w", None, "why")[0]}
    assert "itlb.walk_completed_coalesced_4k" in names
    plain = itlb.decode(json.dumps(document()).encode())
    names = {reading.name for reading in itlb.readings(plain.windows[1], "w", None, "why")[0]}
    assert "itlb.walk_completed_coalesced_4k" not in names  # this CPU cannot have any


def test_loads_and_stores_that_were_followed() -> None:
    report = itlb.decode(followed(json.dumps(document()).encode()))
    found = {r.name: r.value for r in itlb.readings(report.windows[1], "w", None, "why")[0]}
    for name in ("walk_completed_4k", "walk_completed_2m_4m", "stlb_hit", "lookups"):
        assert found[f"dtlb.{name}"] == sum(
            r.value or 0
            for r in itlb.readings(report.windows[1], "w", None, "why")[0]
            if r.name == f"itlb.{name}" and r.labels.get("origin", "all") == "all"
        )
    plain = itlb.decode(json.dumps(document()).encode())
    names = {reading.name for reading in itlb.readings(plain.windows[1], "w", None, "why")[0]}
    assert not [name for name in names if name.startswith("dtlb.")]


def test_loads_and_stores_that_do_not_add_up() -> None:
    damaged = json.loads(followed(json.dumps(document()).encode()))
    damaged["windows"][1]["data"][0]["stlb_hits"] += 1
    with pytest.raises(TrialError, match="loads and stores add up to"):
        itlb.decode(json.dumps(damaged).encode())


def test_only_some_vcpus_that_hold_four_pages_as_one() -> None:
    message = refused(lambda report: first(report).update(walks_16k=0))
    assert message.endswith("vCPU 0 counts walks of other page sizes than others")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"schema": 1}'])
def test_no_report(data: bytes) -> None:
    with pytest.raises(TrialError, match="report"):
        itlb.decode(data)


def test_a_report_cut_short() -> None:
    whole = trial("upstream").report
    assert whole is not None
    for length in range(1, len(whole) - 2, 7919):
        with pytest.raises(TrialError, match="report"):
            itlb.decode(whole[:length])


def first(report: Document) -> Document:
    counts: Document = report["windows"][1]["vcpus"][1]
    return counts


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda r: r.update(schema=1), "schema 1, not 2"),
        (lambda r: r.update(unclosed=[1]), "window 1 was never closed"),
        (lambda r: r["self_checks"][1].update(ok=False, detail="by 3"), "sites add up.* by 3"),
        (lambda r: first(r).pop("walks_1g"), "walks_1g"),
        (lambda r: first(r).update(extra=1), "extra"),
        (lambda r: first(r).update(lookups=-1), "lookups"),
        (lambda r: first(r).update(l1_hits=1.5), "l1_hits"),
        (lambda r: first(r).update(l1_hits=first(r)["l1_hits"] + 1), "window 1, vCPU 1: hits"),
        (lambda r: first(r)["flushes"].pop("cr4"), "other flushes"),
        (lambda r: first(r).update(vcpu=0), "vCPU"),
        (lambda r: r["windows"][1]["vcpus"].pop(), "1 vCPUs, not 2"),
        (lambda r: r["windows"][1]["sites"].pop(), "sites add up"),
        (lambda r: r["windows"][1]["sites"][0].update(page="64k"), "page"),
        (lambda r: r["windows"][1]["sites"][0].update(address="12"), "address"),
        (lambda r: r["windows"][1].update(id=0), r"windows \[0, 0\]"),
        (lambda r: r["windows"].pop(0), r"windows \[1\]"),
        (lambda r: r.pop("policy"), "policy"),
    ],
)
def test_a_damaged_report_names_the_fault(change: Callable[[Document], object], why: str) -> None:
    said = refused(change)
    assert re.search(why, said), said


def test_moving_misses_between_page_sizes_is_noticed() -> None:
    def swap(report: Document) -> None:
        counts = first(report)
        counts["walks_4k"] += 1
        counts["walks_2m"] -= 1

    assert "sites add up" in refused(swap)


def test_readings_without_symbols_have_totals_but_no_origins() -> None:
    window = itlb.decode(json.dumps(document()).encode()).windows[1]
    found, sites = itlb.readings(window, "measured", None, "kallsyms_text: no symbol in it")
    by = {(r.name, r.labels.get("origin")): r for r in found}
    assert by["itlb.walks", "all"].value == 1233
    missing = by["itlb.walks", "bpf_prog"]
    assert (missing.status, missing.value) == (Status.NOT_SUPPORTED, None)
    assert missing.reason == "kallsyms_text: no symbol in it"
    assert sites == ()
    assert all(r.labels["window"] == "measured" for r in found)


def test_operations_are_those_of_the_watched_address() -> None:
    window = itlb.decode(json.dumps(document()).encode()).windows[1]
    address = int(window.watch[0].address, 16)
    found = itlb.operations(window, address, "measured")
    assert (found.name, found.value, found.unit) == ("ops", 250180, "operation")
    window.watch[0].count = 0
    assert itlb.operations(window, address, "measured").value == 0, "armed: it did not run"
    window.watch[0].exact = False
    late = itlb.operations(window, address, "measured")
    assert (late.status, late.value) == (Status.NOT_COUNTED, None)
    assert "not armed" in late.reason
    with pytest.raises(DataError, match="0 times"):
        itlb.operations(window, address + 1, "measured")
