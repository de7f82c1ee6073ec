# SPDX-License-Identifier: GPL-2.0-only
"""A page trace is asked for only where there is one."""

import pytest

from harness.errors import UserError
from harness.pipeline.planning import RunRequest, plan


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (RunRequest(trace=True, settings={"counters": "none"}), "--trace with --counters none"),
        (
            RunRequest(trace=True, settings={"counters": "model", "mode": "fast", "smp": 2}),
            "--trace with --mode fast --smp 2",
        ),
    ],
)
def test_refused_before_anything_is_built(request_: RunRequest, message: str) -> None:
    with pytest.raises(UserError, match=message):
        plan(request_)


@pytest.mark.parametrize(("mode", "smp"), [("exact", 4), ("fast", 1)])
def test_one_vcpu_thread_will_do(mode: str, smp: int) -> None:
    settings = {"counters": "model", "mode": mode, "smp": smp}
    assert plan(RunRequest(trace=True, settings=settings)).choice
