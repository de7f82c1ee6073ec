# SPDX-License-Identifier: GPL-2.0-only
"""The model's page tables: decoded, checked, and compared with the kernel's own dump."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.counters import itlb, readings
from harness.counters.facts import page_tables, proc_files, snapshots
from harness.counters.facts.agreement import (
    changes,
    comparable,
    first_difference,
    without,
)
from harness.counters.facts.files import Files
from harness.counters.facts.guest_tables import EdgeTables, at_edge
from harness.counters.facts.page_tables import PageTables
from harness.counters.facts.snapshots import Snapshot
from harness.errors import TrialError
from harness.model.reading import Reading, Status
from harness.model.trial_settings import Pti
from harness.tests.unit.captured_trials import runs_of, snapshot, spec, trial

TEXT = 0xFFFFFFFF81000000
LOW, HIGH = 0xFFFFFFFFA0000000, 0xFFFFFFFFC0000000
DIRECT = 0xFFFF888000000000


def taken(runs: list[list[Any]], number: int = 1, **changes: Any) -> Snapshot:
    return msgspec.convert(snapshot(number, runs) | changes, Snapshot)


def run(start: int, pages: int, size: str, flags: str) -> list[Any]:
    return [hex(start), pages, size, flags]


# Decoding.


def refused(change: Callable[[dict[str, Any]], object]) -> str:
    raw = trial("upstream").report
    assert raw is not None
    report = json.loads(raw)
    change(report)
    with pytest.raises(TrialError) as caught:
        itlb.decode(json.dumps(report).encode())
    return str(caught.value)


def changed(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda report: report["snapshots"][0].update(changes)


def with_runs(*runs: list[Any]) -> Callable[[dict[str, Any]], object]:
    return changed(runs=list(runs))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda r: r.pop("snapshots"), "snapshots"),
        (lambda r: r.pop("watched"), "watched"),
        (lambda r: r["watched"].append(r["watched"][0]), "counts an address twice"),
        (lambda r: r["watched"].append("0x12"), "snapshot 1 has 1 counts for 2 addresses"),
        (lambda r: r.update(watched=[hex(n) for n in range(129)]), "watched"),
        (lambda r: r["snapshots"].append(r["snapshots"][0]), r"snapshots [1, 2, 11"),
        (changed(id=0), "id"),
        (changed(id=256), "id"),
        (changed(watch=[-1]), "watch"),
        (changed(complete=False), "snapshot 1 is complete and says why it is not, or neither"),
        (changed(reason="too many"), "snapshot 1 is complete and says why"),
        (changed(direct_map="0xffff888000001000"), "not at a whole GiB"),
        (changed(direct_map=None), "of a direct map that it has not found"),
        (with_runs(run(TEXT, 0, "4k", "-x--")), "runs"),
        (with_runs(run(TEXT, 1, "64k", "-x--")), "runs"),
        (with_runs(run(TEXT, 1, "4k", "x---")), "runs"),
        (with_runs(["81000000", 1, "4k", "-x--"]), "runs"),
        (with_runs(run(TEXT + 4096, 1, "2m", "-x--")), "is not at a whole 2m page"),
        (with_runs(run(TEXT + 1, 1, "4k", "-x--")), "is not at a whole 4k page"),
        (
            with_runs(run(TEXT, 2, "4k", "-x--"), run(TEXT + 4096, 1, "4k", "w---")),
            "begins before 0xffffffff81002000",
        ),
        (
            with_runs(run(TEXT, 1, "4k", "-x--"), run(DIRECT, 1, "4k", "w--d")),
            "begins before 0xffffffff81001000",
        ),
        (with_runs(run(0xFFFFFFFFFFFFF000, 2, "4k", "-x--")), "beyond the last address"),
    ],
)
def test_a_damaged_snapshot_names_the_fault(
    change: Callable[[dict[str, Any]], object], why: str
) -> None:
    assert why in refused(change)


def test_the_last_page_of_all_is_one() -> None:
    last = taken([run(0xFFFFFFFFFFFFF000, 1, "4k", "w---")])
    snapshots.check_snapshot(last, 0)
    assert snapshots.tables(last).ranges[0].end == page_tables.ADDRESS_SPACE


def sections(*runs: list[Any]) -> list[str]:
    return [r.section for r in snapshots.tables(taken(list(runs))).ranges]


def test_sections_are_told_by_address() -> None:
    image = run(TEXT, 10, "2m", "-xg-")
    assert sections(run(DIRECT, 1, "1g", "w--d"), image) == [
        "Low Kernel Mapping",
        "High Kernel Mapping",
    ]
    assert sections(run(0xFFFFC90000000000, 1, "4k", "-x--"), image)[0] == ""
    # A kernel that moves its image has modules from 0xffffffffc0000000 on, others 512 MiB below.
    assert sections(image, run(HIGH, 1, "4k", "-x--")) == ["High Kernel Mapping", "Modules"]
    assert sections(image, run(LOW, 1, "4k", "-x--")) == ["High Kernel Mapping", "Modules"]
    assert sections(image, run(LOW, 1, "4k", "-x--"), run(HIGH, 1, "4k", "-x--")) == [
        "High Kernel Mapping",
        *["Modules"] * 2,
    ]
    # Where the seed moves it the image may be there too, with the hole of its start-up code.
    moved = 0xFFFFFFFFAF400000
    assert sections(run(moved, 6, "2m", "-x--"), run(moved + (16 << 20), 9, "2m", "w---")) == [
        *["High Kernel Mapping"] * 2
    ]


# Comparison.


def dump_of(name: str = "close/kernel_page_tables") -> PageTables:
    return page_tables.parse(trial("upstream").files[name].decode())


def test_a_dump_agrees_with_itself_and_its_sections_are_the_kernels() -> None:
    own = dump_of()
    assert own.cut == {"ESPfix Area"} or not own.cut
    assert {name: start for start, name in own.sections}["Modules"] == HIGH
    rebuilt = snapshots.tables(taken(runs_of(own)))
    left, right = comparable(own, own.sections), comparable(rebuilt, own.sections)
    assert first_difference(left, right) is None
    assert sum(r.pages for r in left) > 4000
    assert {r.section for r in left} == {"Low Kernel Mapping", "High Kernel Mapping", "Modules"}


@pytest.mark.parametrize("area", ["Low Kernel Mapping", "High Kernel Mapping", "Modules"])
@pytest.mark.parametrize(
    "change",
    [
        lambda r: {"writable": not r.writable},
        lambda r: {"executable": not r.executable},
        lambda r: {"is_global": not r.is_global},
        lambda r: {"end": r.end - r.page_bytes},
    ],
)
def test_any_difference_of_one_run_is_found(area: str, change: Callable[[Any], Any]) -> None:
    own = dump_of()
    place = next(n for n, r in enumerate(own.ranges) if r.section == area and r.pages > 0)
    old = own.ranges[place]
    other = list(own.ranges)
    other[place] = replace(old, **change(old))
    found = first_difference(
        comparable(own, own.sections),
        comparable(PageTables(other, own.starts), own.sections),
    )
    assert found is not None
    assert old.start <= found.address < old.end
    assert found.left != found.right


def test_what_is_not_compared() -> None:
    def side(section: str, executable: bool) -> tuple[page_tables.Range, ...]:
        one = page_tables.Range(
            start=0xFFFFFE0000000000,
            end=0xFFFFFE0000001000,
            level="pte",
            writable=True,
            executable=executable,
            is_global=False,
            section=section,
        )
        return comparable(PageTables([one], [one.start]), [(0xFFFFFE0000000000, section)])

    assert side("CPU entry Area", executable=False) == ()
    assert len(side("CPU entry Area", executable=True)) == 1
    for section in ("LDT remap", "ESPfix Area", "EFI Runtime Services", "Fixmap Area"):
        assert side(section, executable=True) == ()


def edge(**changes: Any) -> EdgeTables:
    """The edge ``close`` with its snapshots changed: ``first``, ``second``, ``files``."""
    raw = trial("upstream")
    runs = runs_of(dump_of())
    both = {
        number: taken(changes.get(which, runs), number)
        for number, which in ((21, "first"), (22, "second"))
        if changes.get(which, runs) is not None
    }
    files: Mapping[str, bytes] = changes.get("files", raw.files)
    return at_edge(Files(files, raw.absent), "close", both)


def compared(found: EdgeTables) -> Reading:
    return next(r for r in found.readings if r.name == "page_tables.compared")


def without_first_module_page() -> list[list[Any]]:
    return [one for one in runs_of(dump_of()) if one[0] != "0xffffffffc0000000"]


def test_both_ways_agree_and_the_record_says_on_how_much() -> None:
    found = edge()
    assert (compared(found).value or 0) > 4000
    assert found.notes == ()
    assert found.tables is not None


def test_a_disagreement_fails_the_trial_with_the_address_and_both_readings() -> None:
    other = without_first_module_page()
    with pytest.raises(TrialError) as caught:
        edge(first=other, second=other)
    assert str(caught.value) == (
        "page tables at close: the kernel's dump has at 0xffffffffc0000000 a 4 kB page, "
        "read-only, executable, of Modules; the model has nothing"
    )


def test_what_the_guest_changed_meanwhile_is_not_compared_and_the_rest_is() -> None:
    found = edge(second=without_first_module_page())
    assert compared(found).value == (compared(edge()).value or 0) - 1
    assert found.notes == (
        "page tables at close: the guest changed 4 kB, from 0xffffffffc0000000 on, while they were "
        "read; these were not compared with the kernel's own dump",
    )
    assert found.tables is not None
    assert found.tables.find(HIGH) is None, "text is looked for after the second snapshot"
    both = [one for one in without_first_module_page() if one[0] != "0xffffffff81000000"]
    with pytest.raises(TrialError, match="dump has at 0xffffffff81000000 a 2 MB page"):
        edge(
            first=[one for one in runs_of(dump_of()) if one[0] != "0xffffffff81000000"], second=both
        )


def test_a_large_page_that_is_split_meanwhile() -> None:
    before = [run(DIRECT, 3, "2m", "w--d")]
    after = [
        run(DIRECT, 1, "2m", "w--d"),
        run(DIRECT + (2 << 20), 512, "4k", "w--d"),
        run(DIRECT + (4 << 20), 1, "2m", "w--d"),
    ]
    sides = [comparable(snapshots.tables(taken(runs)), ()) for runs in (before, after)]
    spans = changes(*sides)
    assert spans == ((DIRECT + (2 << 20), DIRECT + (4 << 20)),)
    left, right = (without(side, spans) for side in sides)
    assert left == right
    assert sum(r.pages for r in left) == 2


def test_a_dump_that_is_cut_where_pages_are_compared() -> None:
    raw = trial("upstream")
    name = "close/kernel_page_tables"
    dump = raw.files[name].decode()
    cut = dump.replace("---[ End Modules", "... 7 entries skipped ... \n---[ End Modules")
    found = edge(files={**raw.files, name: cut.encode()})
    assert compared(found).reason == "the kernel's dump leaves out lines of Modules"
    damaged = edge(files={**raw.files, name: b"\n"})
    assert compared(damaged).status is Status.NOT_COUNTED
    assert damaged.notes and damaged.tables is not None


def test_snapshots_that_were_not_taken_are_missed() -> None:
    with pytest.raises(TrialError, match="no snapshot 22, which the guest took at close"):
        edge(second=None)
    with pytest.raises(TrialError, match="no snapshot 21"):
        edge(first=None)


def test_the_direct_map_by_page_size_and_what_of_it_is_executable() -> None:
    found = {r.name: r.value for r in edge().readings}
    meminfo = proc_files.meminfo(trial("upstream").files["close/proc/meminfo"].decode())
    assert found["direct_map.executable"] == 0, "the first megabyte's page aside"
    pages = [found[f"direct_map.pages_{size}"] for size in ("4k", "2m", "1g")]
    assert None not in pages
    # The kernel's own counters are of the same memory, but not by entries as they are: a split
    # of the image's own mapping counts there too.
    total = sum(int(p or 0) << shift for p, shift in zip(pages, (2, 11, 20), strict=True))
    assert total == sum(meminfo[f"DirectMap{size}"] for size in ("4k", "2M", "1G"))
    assert (found["direct_map.pages_2m"], meminfo["DirectMap2M"] >> 11) == (1015, 1011)
    direct = [
        run(DIRECT, 512, "4k", "w--d"),
        run(DIRECT + (2 << 20), 1, "2m", "wx-d"),
        run(DIRECT + (4 << 20), 510, "2m", "w--d"),
        run(DIRECT + (1 << 30), 3, "1g", "w-gd"),
    ]
    raw = trial("upstream")
    files = {k: v for k, v in raw.files.items() if not k.endswith("kernel_page_tables")}
    alone = at_edge(Files(files, raw.absent), "close", {21: taken(direct, 21)})
    assert [r.value for r in alone.readings[1:]] == [512, 511, 3, 1]
    nowhere = at_edge(Files(files, raw.absent), "close", {21: taken([], 21, direct_map=None)})
    assert {r.status for r in nowhere.readings} == {Status.NOT_SUPPORTED}


def test_a_kernel_that_does_not_isolate_is_noted() -> None:
    raw = trial("upstream")
    assert readings.of_trial(spec(), raw).notes == ()
    assert raw.report is not None
    report = json.loads(raw.report)
    for one in report["snapshots"]:
        one["isolated"] = False
    plain = replace(raw, report=json.dumps(report).encode())
    (note,) = readings.of_trial(spec(), plain).notes
    assert "does not isolate" in note
    assert readings.of_trial(replace(spec(), pti=Pti.OFF), plain).notes == ()
