# SPDX-License-Identifier: GPL-2.0-only
"""Which counters and mode a run takes, and how many trials run side by side."""

import pytest

from harness.errors import PrerequisiteError, UserError
from harness.model import Counters, Mode
from harness.pipeline.choose import choose, needs_probe
from harness.pipeline.run import parallel
from harness.vm.accel import Accelerator

# Stand-ins for the probe's verdict: they prove the decision, not the accelerator.
WORKS = Accelerator(works=True, reason="a kvm guest ran the probe's boot sector")
BROKEN = Accelerator(works=False, reason="a kvm guest ended with -6")


def test_auto_falls_back_and_says_why() -> None:
    choice = choose(Counters.AUTO, None, Mode.EXACT, BROKEN)
    assert (choice.counters, choice.mode) == (Counters.MODEL, Mode.EXACT)
    assert "ended with -6" in choice.reason


def test_auto_takes_perf_where_kvm_works() -> None:
    choice = choose(Counters.AUTO, None, Mode.EXACT, WORKS)
    assert (choice.counters, choice.mode) == (Counters.PERF, Mode.KVM)


def test_auto_stays_with_a_mode_that_was_asked_for() -> None:
    assert choose(Counters.AUTO, Mode.FAST, Mode.EXACT, None).counters is Counters.MODEL
    assert not needs_probe(Counters.AUTO, Mode.FAST)


def test_kvm_that_does_not_run_is_a_prerequisite() -> None:
    with pytest.raises(PrerequisiteError, match="ended with -6"):
        choose(Counters.PERF, Mode.KVM, Mode.EXACT, BROKEN)


@pytest.mark.parametrize("counters", [Counters.MODEL, Counters.BOTH])
def test_the_model_needs_tcg(counters: Counters) -> None:
    with pytest.raises(UserError, match="the model needs TCG"):
        choose(counters, Mode.KVM, Mode.EXACT, WORKS)


def test_only_exact_trials_run_side_by_side() -> None:
    assert parallel(8, Mode.FAST, 1) == 1
    assert parallel(8, Mode.KVM, 1) == 1
    assert parallel(2, Mode.EXACT, 1) == 2


def test_memory_bounds_the_jobs() -> None:
    assert parallel(64, Mode.EXACT, 1 << 30) == 1
