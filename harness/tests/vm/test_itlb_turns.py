# SPDX-License-Identifier: GPL-2.0-only
"""vCPUs that take turns in one thread: no fetch is lost, none is another vCPU's."""

import json
from typing import Any

import pytest

from harness.tests.vm.modelled import Boot, initrd_of

pytestmark = pytest.mark.vm

TIMES = 20_000
PAGES = ("0x10000000", "0x10001000", "0x10002000")
WINDOWS = (1, 2)
"""Turns end anywhere; turns end in the pages that are called."""


@pytest.fixture(
    scope="module",
    params=[2, 4, *(pytest.param(smp, marks=pytest.mark.long) for smp in (16, 32))],
)
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, list[bytes]]:
    smp = request.param
    work = tmp_path_factory.mktemp("turns")
    guest = Boot(initrd=initrd_of("turns", work), done=f"turns: done on {smp}", smp=smp)
    return smp, [guest.report(work / str(number), hits=True) for number in range(2)]


def window(data: bytes, number: int) -> Any:
    """What the guest did while its threads called."""
    return next(w for w in json.loads(data)["windows"] if w["id"] == number)


@pytest.mark.parametrize("number", WINDOWS)
def test_every_call_is_looked_up(runs: tuple[int, list[bytes]], number: int) -> None:
    smp, reports = runs
    counted = dict.fromkeys(PAGES, 0)
    for site in window(reports[0], number)["sites"]:
        if site["address"] in counted:
            counted[site["address"]] += site["l1_hits"] + site["stlb_hits"] + site["walks"]
    for address, callers in zip(PAGES, (smp / 2, smp, smp / 2), strict=True):
        # An interrupt between two fetches from one page makes that page be looked up again.
        assert callers * TIMES <= counted[address] <= callers * TIMES * 1.01, counted


@pytest.mark.parametrize("number", WINDOWS)
def test_each_vcpu_has_its_own_counts(runs: tuple[int, list[bytes]], number: int) -> None:
    _, reports = runs
    for vcpu in window(reports[0], number)["vcpus"]:
        assert vcpu["lookups"] > 2 * TIMES
        assert vcpu["insns_user"] > 8 * TIMES


def test_self_checks_hold(runs: tuple[int, list[bytes]]) -> None:
    _, reports = runs
    checks = {check["name"]: check for check in json.loads(reports[0])["self_checks"]}
    assert all(check["ok"] for check in checks.values()), checks
    assert checks["QEMU tells the vCPU that runs"]["detail"] == "0 times it did not"


def test_two_runs_are_equal(runs: tuple[int, list[bytes]]) -> None:
    _, (first, second) = runs
    assert first == second
