# SPDX-License-Identifier: GPL-2.0-only
"""The known-answer loops in a real guest, on every CPU profile."""

import pytest

from harness import pipeline
from harness.itlb import build as itlb
from harness.pipeline.validation import SIZES, Verdict

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("pipeline")]


@pytest.mark.parametrize("profile", itlb.profiles())
def test_every_loop_is_counted_exactly(profile: str) -> None:
    found = pipeline.validate("bpf_prog_pack", profile, ("off",), pipeline.Progress(quiet=True))
    assert {check.page_size for check in found.checks} == set(SIZES)
    assert [check for check in found.checks if check.verdict is not Verdict.EXACT] == []
    # Something was missed: a model that always hits would not pass.
    assert any(check.expected.walks for check in found.checks)


def test_isolation_changes_nothing_for_one_process() -> None:
    found = pipeline.validate("bpf_prog_pack", "skylake-sp", ("on",), pipeline.Progress(quiet=True))
    assert found.ok
