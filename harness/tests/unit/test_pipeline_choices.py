# SPDX-License-Identifier: GPL-2.0-only
"""Which counters and mode a run takes, and how many trials run side by side."""

import importlib
import importlib.util
import json
import sys
from dataclasses import replace
from typing import Any

import pytest

from harness.config import definitions
from harness.doctor import HARDWARE, Use
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


@pytest.mark.parametrize("counters", Counters)
def test_kvm_that_was_asked_for_needs_no_pmu(counters: Counters) -> None:
    assert uses(counters, Mode.KVM) == {Use.KVM}
    assert uses(Counters.PERF, None) == uses(Counters.AUTO, None) == HARDWARE


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


def both(event: str, counted: int | None, expected: int) -> tuple[Reading, Reading]:
    """What pmu-check reports of one event."""
    name, source = f"pmu.{event}", Source.WORKLOAD
    emitted = Reading(name=f"{name}_expected", value=expected, unit="event", source=source)
    if counted is None:
        return emitted, unknown(name, "event", source, Status.NOT_SUPPORTED, "perf: x")
    return emitted, replace(emitted, name=name, value=counted)


def checked(instructions: int | None, branches: int | None = 500) -> TrialRecord:
    """A stand-in for the record of pmu-check: proves the decision, not the PMU."""
    spec = pmu.check_trial(definitions.suite("smoke"), "upstream")
    found = (*both("instructions", instructions, 1000), *both("branches", branches, 500))
    return TrialRecord(schema=1, trial=spec.id, spec=spec, status=TrialStatus.OK, readings=found)


@pytest.mark.parametrize(
    ("instructions", "branches", "works"),
    [
        *((1000, 500, True), (1009, 504, True), (1011, 500, False), (0, 500, False)),
        *((None, 500, False), (1000, 600, False), (1000, None, False)),
    ],
)
def test_a_pmu_is_believed_only_when_it_counts(
    instructions: int | None, branches: int | None, works: bool
) -> None:
    assert pmu.verdict(checked(instructions, branches)).works is works


def test_a_pmu_that_counts_wrong_is_refused_with_its_numbers() -> None:
    assert pmu.verdict(checked(1000, 499_000)).reason == (
        "the guest's PMU counted 1000 of 1000 instructions and 499000 of 500 branches"
    )


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


def pmu_check() -> Any:
    """The workload's own module."""
    folder = definitions.workload("pmu-check")[1]
    spec = importlib.util.spec_from_file_location("pmu_check", folder / "pmu_check.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules["agent"] = importlib.import_module("harness.guest.agent")
    sys.modules["agent.workload_api"] = importlib.import_module("harness.guest.agent.workload_api")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_known_instructions_and_branches_of_the_loop() -> None:
    module = pmu_check()
    text, expected = module.code(10)
    assert expected == {"instructions": 24, "branches": 10}
    assert module.executable(text).startswith(b"\x7fELF")


def row(event: str, value: str, runtime: int = 5, share: float = 100.0) -> str:
    return json.dumps(
        {
            "counter-value": value,
            "event": event,
            "event-runtime": runtime,
            "pcnt-running": share,
        }
    )


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (row("branches:u", "7.000000"), (7, "")),
        (row("branches:u", "<not supported>", 0), (None, "perf: <not supported>")),
        (row("branches:u", "7.0", 0), (None, "perf: 7.0, counted 100 % of the time")),
        (row("branches:u", "7.0", 5, 75.0), (None, "perf: 7.0, counted 75 % of the time")),
        (row("instructions:u", "7.0"), (None, "perf: no output")),
        ("", (None, "perf: no output")),
    ],
)
def test_a_count_of_pmu_check_is_whole_or_none(output: str, found: tuple[object, str]) -> None:
    assert pmu_check().counted(output, "branches") == found
