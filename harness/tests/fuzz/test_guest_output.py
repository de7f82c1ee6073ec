# SPDX-License-Identifier: GPL-2.0-only
"""A million damaged outputs of guests: the channel, the files in it, the console, whole trials."""

import pytest

from harness.tests.fuzz import guest_output_cases as cases
from harness.tests.fuzz.outcome import Part, both_ends_seen

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    ("part", "count"),
    [
        (cases.channels, 400_000),
        (cases.raw_files, 400_000),
        (cases.consoles, 200_000),
        (cases.whole_trials, 20_000),
    ],
)
def test_read_or_refused_in_one_line(part: Part, count: int) -> None:
    both_ends_seen(part(1, count), count)
