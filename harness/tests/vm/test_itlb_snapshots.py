# SPDX-License-Identifier: GPL-2.0-only
"""Functions that ran before they were watched are counted exactly; page tables make sense."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.itlb import plugin as itlb
from harness.itlb.replay import replay as replay_trace
from harness.model.trial_settings import Mode
from harness.tests.vm.modelled import Boot, initrd_of

pytestmark = pytest.mark.vm

CALLS = 12345  # of each system call, in each window
TEXT = 0xFFFF_FFFF_8100_0000  # of a kernel that stays where it is
MEMORY = 512 << 20
BYTES = {"4k": 1 << 12, "2m": 1 << 21, "1g": 1 << 30}


@pytest.fixture(scope="module")
def initrd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return initrd_of("late_watch", tmp_path_factory.mktemp("guest"))


@pytest.fixture(scope="module", params=[(1, "on"), (2, "off")], ids=["1-pti", "2-nopti"])
def recorded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, initrd: Path
) -> tuple[Boot, Path, bytes]:
    """The guest, its trace, its report."""
    smp, pti = request.param
    work = tmp_path_factory.mktemp("recorded") / "work"
    guest = Boot(initrd=initrd, done=f"late_watch: done on {smp}", smp=smp, pti=pti)
    return guest, work / "itlb.trace", guest.report(work, trace=work / "itlb.trace")


def counts(report: Any) -> dict[int, list[tuple[int, bool]]]:
    """By window: count and exactness of each watch."""
    return {w["id"]: [(x["count"], x["exact"]) for x in w["watch"]] for w in report["windows"]}


def check_counts(report: Any) -> None:
    assert all(check["ok"] for check in report["self_checks"])
    by_window = counts(report)
    assert by_window[1][0] == by_window[2][0] == by_window[3][0] == (CALLS, True)
    assert by_window[3][1] == (CALLS, True)
    # Watched, but not armed: blocks from before do not count, which the report says.
    assert by_window[2][1][1] is False
    assert by_window[2][1][0] < CALLS
    assert report["armed"] is True
    assert [x["address"] for x in report["windows"][0]["watch"]] == report["watched"]


def test_a_function_that_ran_before_counts_exactly(recorded: tuple[Boot, Path, bytes]) -> None:
    check_counts(json.loads(recorded[2]))


def test_a_function_that_ran_before_counts_exactly_in_threads(initrd: Path, tmp_path: Path) -> None:
    """Fast mode: each vCPU has a thread of its own, and all stand still for it."""
    guest = Boot(initrd=initrd, done="late_watch: done on 2", smp=2, mode=Mode.FAST)
    check_counts(json.loads(guest.report(tmp_path / "work")))


def test_runs_are_equal_and_replay_equals_them(
    recorded: tuple[Boot, Path, bytes], tmp_path: Path
) -> None:
    guest, trace, report = recorded
    assert guest.report(tmp_path / "work") == report
    out = replay_trace(trace, itlb.profile_path(guest.profile), {}, tmp_path / "out.json")
    assert out.read_bytes() == report


def test_snapshots_have_the_counts_of_their_moment(recorded: tuple[Boot, Path, bytes]) -> None:
    report = json.loads(recorded[2])
    unarmed, _ = counts(report)[2][1]  # of blocks that QEMU translated again by itself
    snapshots = report["snapshots"]
    assert [(s["id"], s["watch"], s["exact"]) for s in snapshots] == [
        (1, [0], True),
        (2, [CALLS], True),
        (3, [3 * CALLS, CALLS + unarmed], True),
    ]


def test_page_tables_are_those_of_a_kernel(recorded: tuple[Boot, Path, bytes]) -> None:
    guest, _, report = recorded
    for snapshot in json.loads(report)["snapshots"]:
        assert (snapshot["complete"], snapshot["reason"]) == (True, "")
        assert snapshot["isolated"] == (guest.pti == "on")
        assert snapshot["direct_map"] == "0xffff888000000000"
        runs = [(int(start, 16), n, size, flags) for start, n, size, flags in snapshot["runs"]]
        assert runs == sorted(runs)
        text = next(run for run in runs if run[0] == TEXT)
        assert text[2] == "2m"
        assert text[3][:2] == "-x"
        assert not [run for run in runs if run[3].startswith("wx")]
        direct = sum(n * BYTES[size] for _, n, size, flags in runs if flags[3] == "d")
        assert MEMORY - (2 << 20) <= direct <= MEMORY  # less what the firmware keeps


def test_isolation_asked_for_is_not_taken_for_granted(initrd: Path, tmp_path: Path) -> None:
    """The plugin is told that the kernel isolates, and it does not."""
    guest = Boot(initrd=initrd, done="late_watch: done on 1")
    report = json.loads(replace(guest, told_pti="on").report(tmp_path / "work"))
    assert report["policy"]["pti"] == "on"
    assert [s["isolated"] for s in report["snapshots"]] == [False] * 3
    assert all(len(s["runs"]) > 10 for s in report["snapshots"])
