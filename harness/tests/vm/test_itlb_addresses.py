# SPDX-License-Identifier: GPL-2.0-only
"""User text that is mapped at several addresses is counted at the one it ran at."""

import json
from typing import Any

import pytest

from harness.tests.vm.modelled import Boot, initrd_of

pytestmark = pytest.mark.vm

TIMES = 100_000
FIRST, SECOND = "0x10000000", "0x20000000"


@pytest.fixture(scope="module", params=["off", "on"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    work = tmp_path_factory.mktemp("guest")
    guest = Boot(
        initrd=initrd_of("two_addresses", work), done="two_addresses: done", pti=request.param
    )
    return json.loads(guest.report(work, hits=True))


def fetches(report: Any, window: int) -> dict[str, int]:
    """Lookups by page in one window."""
    (found,) = (w for w in report["windows"] if w["id"] == window)
    total: dict[str, int] = {}
    for site in found["sites"]:
        count = site["l1_hits"] + site["stlb_hits"] + site["walks"]
        total[site["address"]] = total.get(site["address"], 0) + count
    return total


def test_called_in_turn_each_address_counts(report: Any) -> None:
    counted = fetches(report, 1)
    # A timer interrupt between two fetches from one page makes that page be looked up again.
    for address in (FIRST, SECOND):
        assert TIMES <= counted[address] <= TIMES * 1.01


def test_a_jump_from_one_address_to_the_other_counts(report: Any) -> None:
    """FIRST, SECOND, FIRST: two lookups of the first address and one of the second."""
    counted = fetches(report, 2)
    assert 2 * TIMES <= counted[FIRST] <= 2 * TIMES * 1.01
    assert TIMES <= counted[SECOND] <= TIMES * 1.01


def test_self_checks_hold(report: Any) -> None:
    assert all(check["ok"] for check in report["self_checks"])
    assert report["unclosed"] == []
