# SPDX-License-Identifier: GPL-2.0-only
"""A million damaged reports of the model's plugin."""

import pytest

from harness.tests.fuzz.outcome import both_ends_seen
from harness.tests.fuzz.plugin_report_cases import reports

pytestmark = pytest.mark.long
CASES = 1_000_000


def test_read_or_refused_in_one_line() -> None:
    both_ends_seen(reports(1, CASES), CASES)
