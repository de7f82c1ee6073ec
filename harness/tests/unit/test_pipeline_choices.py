# SPDX-License-Identifier: GPL-2.0-only
"""Which counters and mode a run takes, and how many trials run side by side."""

import importlib
import importlib.util
import sys
from dataclasses import replace

import pytest

from harness.config import definitions
from harness.errors import PrerequisiteError, UserError
from harness.model.reading import Reading, Source, Status, unknown
from harness.model.records import Failure, TrialRecord, TrialStatus
from harness.model.trial_settings import Counters, Mode
from harness.pipeline import pmu
from harness.pipeline.choose import choose, uses
from harness.pipeline.run import parallel
from harness.targets.qemu.accel import Accelerator

# Stand-ins for the probe's verdict: they prove the decision, not the accelerator.
WORKS = Accelerator(works=True, reason="a kvm guest ran the probe's boot sector")
BROKEN = Accelerator(
    works=False,
    reason="KVM does not run a guest here (QEMU ended with status 134)",
    detail="qemu: ../kvm.c:3: Assertion failed",
)


def test_auto_falls_back_and_says_why() -> None:
    choice = choose(Counters.AUTO, None, Mode.EXACT, BROKEN)
    assert (choice.counters, choice.mode) == (Counters.MODEL, Mode.EXACT)
    assert choice.reason == (
        "the model, because KVM does not run a guest here (QEMU ended with status 134)"
    )
    assert choice.detail == "qemu: ../kvm.c:3: Assertion failed"


def test_auto_takes_perf_where_kvm_works() -> None:
    choice = choose(Counters.AUTO, None, Mode.EXACT, WORKS)
    assert (choice.counters, choice.mode) == (Counters.PERF, Mode.KVM)


def test_auto_stays_with_a_mode_that_was_asked_for() -> None:
    assert choose(Counters.AUTO, Mode.FAST, Mode.EXACT, None).counters is Counters.MODEL
    assert not uses(Counters.AUTO, Mode.FAST)


def test_kvm_that_does_not_run_is_a_prerequisite() -> None:
    with pytest.raises(PrerequisiteError, match="ended with status 134"):
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


def checked(counted: int | None, expected: int = 1000) -> TrialRecord:
    """A stand-in for the record of pmu-check: proves the decision, not the PMU."""
    spec = pmu.check_trial(definitions.suite("smoke"), "upstream")
    emitted = Reading(
        name="pmu.instructions_expected", value=expected, unit="instruction", source=Source.WORKLOAD
    )
    found = (
        unknown("pmu.instructions", "instruction", Source.WORKLOAD, Status.NOT_SUPPORTED, "perf: x")
        if counted is None
        else replace(emitted, name="pmu.instructions", value=counted)
    )
    return TrialRecord(
        schema=1, trial=spec.id, spec=spec, status=TrialStatus.OK, readings=(emitted, found)
    )


@pytest.mark.parametrize(
    ("counted", "works"), [(1000, True), (1009, True), (1011, False), (0, False), (None, False)]
)
def test_a_pmu_is_believed_only_when_it_counts(counted: int | None, works: bool) -> None:
    assert pmu.verdict(checked(counted)).works is works


def test_a_kernel_that_is_silent_under_kvm_is_kvms_fault() -> None:
    """KVM that runs the probe's boot sector and no kernel: not a word of serial options."""
    silent = replace(
        checked(1000),
        status=TrialStatus.FAILED,
        failure=Failure(kind="silent", message="no line on ttyS0: build it with CONFIG_TTY=y"),
    )
    found = pmu.verdict(silent)
    assert not found.works
    assert found.reason == (
        "the PMU check failed: KVM ran the probe's boot sector, and the kernel wrote nothing"
    )


def test_a_check_that_failed_is_no_pmu() -> None:
    failed = replace(checked(1000), status=TrialStatus.FAILED, readings=())
    assert not pmu.verdict(failed).works


def test_known_instructions_of_the_loop() -> None:
    folder = definitions.workload("pmu-check")[1]
    spec = importlib.util.spec_from_file_location("pmu_check", folder / "pmu_check.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules["agent"] = importlib.import_module("harness.guest.agent")
    sys.modules["agent.workload_api"] = importlib.import_module("harness.guest.agent.workload_api")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text, expected = module.code(10)
    assert expected == 24
    assert module.executable(text).startswith(b"\x7fELF")
