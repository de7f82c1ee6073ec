# SPDX-License-Identifier: GPL-2.0-only
"""Loads and stores that are followed displace code from a shared second level, in a guest."""

import json
from typing import Any

import pytest

from harness.tests.vm.modelled import Boot, initrd_of

pytestmark = pytest.mark.vm

CODE = 0x10000000
PAGES, ROUNDS = 200, 20
ALONE, LOADS, STORES = 1, 2, 3  # the guest's windows

Reports = dict[str, Any]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Reports:
    """The reports of one guest: data side off and on, and on with a profile that is not shared."""
    work = tmp_path_factory.mktemp("guest")
    initrd = initrd_of("data_pages", work)
    cases = {"off": ("skylake-sp", False), "on": ("skylake-sp", True), "apart": ("zen4", True)}
    found = {}
    for name, (profile, data) in cases.items():
        guest = Boot(initrd=initrd, done="data_pages: done", profile=profile)
        found[name] = json.loads(guest.report(work / name, data=data, hits=True))
    return found


def code_pages(report: Any, number: int) -> tuple[int, int, int]:
    """First-level hits, STLB hits and walks of the 200 pages in one window."""
    (window,) = (w for w in report["windows"] if w["id"] == number)
    sites = [s for s in window["sites"] if 0 <= int(s["address"], 16) - CODE < PAGES * 4096]
    l1, stlb, walks = (sum(s[k] for s in sites) for k in ("l1_hits", "stlb_hits", "walks"))
    return l1, stlb, walks


def test_code_alone_does_not_walk(reports: Reports) -> None:
    for name in ("off", "on"):
        l1_hits, stlb_hits, walks = code_pages(reports[name], ALONE)
        assert walks <= 5
        assert stlb_hits > PAGES  # two hundred are more than a first level of 128 holds
        assert PAGES * ROUNDS <= l1_hits + stlb_hits + walks <= PAGES * ROUNDS * 1.05


def test_loads_displace_code_only_when_followed(reports: Reports) -> None:
    _, stlb_hits, walks = code_pages(reports["off"], LOADS)
    assert (walks, stlb_hits > PAGES) == (0, True)
    # 24 loaded pages for each set of 12 ways: nothing of the code is left after a round.
    _, stlb_hits, walks = code_pages(reports["on"], LOADS)
    assert walks > PAGES * ROUNDS // 4
    assert stlb_hits <= walks // 50


def test_stores_to_few_pages_displace_nothing(reports: Reports) -> None:
    for name in ("off", "on"):
        assert code_pages(reports[name], STORES)[2] <= 5


def test_first_level_of_code_does_not_depend_on_data(reports: Reports) -> None:
    """What the data side can change is where a miss is served, not whether it is one."""
    for off, on in zip(reports["off"]["windows"], reports["on"]["windows"], strict=True):
        for key in ("lookups", "l1_hits", "insns_user", "insns_kernel"):
            assert off["vcpus"][0][key] == on["vcpus"][0][key], (off["id"], key)


def test_report_says_which_data_side_it_is(reports: Reports) -> None:
    assert [reports[name]["policy"]["data_side"] for name in ("off", "on", "apart")] == [
        False,
        True,
        "apart",
    ]
    (loads,) = (w["data"][0] for w in reports["on"]["windows"] if w["id"] == LOADS)
    assert loads["walks_4k"] >= 3072 * ROUNDS
    for name in ("off", "apart"):
        assert not any("data" in window for window in reports[name]["windows"])
    assert all(check["ok"] for report in reports.values() for check in report["self_checks"])
