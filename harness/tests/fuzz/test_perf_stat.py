# SPDX-License-Identifier: GPL-2.0-only
"""The parser of perf stat on a million damaged outputs."""

import pytest

from harness.tests.fuzz.perf_stat_cases import check

CASES = 1_000_000


@pytest.mark.long
def test_a_million_damaged_outputs() -> None:
    read, refused = check(1, CASES)
    assert read + refused >= CASES - 2
    assert min(read, refused) > CASES // 20  # both ends were seen
