# SPDX-License-Identifier: GPL-2.0-only
"""Whether a guest's PMU counts: decided by the workload ``pmu-check`` in that guest."""

from dataclasses import replace

from harness.config import definitions, matrix
from harness.model.records import TrialRecord, TrialStatus
from harness.model.specs import SuiteSpec, TrialSpec
from harness.model.trial_settings import Counters, Mode, Pti
from harness.pipeline.prepare import Prepared
from harness.targets.qemu.accel import Accelerator

WORKLOAD = "pmu-check"
EVENTS = ("instructions", "branches")
"""That it counts, in its readings."""
TOLERANCE = 0.01
"""Interrupts add a few user instructions at most; a PMU that is off by more counts wrong."""


def check_trial(suite: SuiteSpec, variant: str) -> TrialSpec:
    """The trial that decides, on ``variant`` under KVM."""
    workload, _ = definitions.workload(WORKLOAD)
    one = replace(suite, name=WORKLOAD, workloads=(WORKLOAD,), seeds=(1,))
    one = one.with_settings(pti=Pti.ON, mode=Mode.KVM)
    return matrix.trials(one, [variant], [workload], Counters.NONE, {})[0]


def with_check(prepared: Prepared) -> Prepared:
    """``prepared`` with the workload that checks."""
    workloads = {**prepared.frozen.workloads, WORKLOAD: definitions.workload(WORKLOAD)}
    return replace(prepared, frozen=replace(prepared.frozen, workloads=workloads))


def verdict(record: TrialRecord) -> Accelerator:
    """What the check's record says of the PMU."""
    if record.status is not TrialStatus.OK:
        message = record.failure.message if record.failure else "no reason given"
        if record.failure is not None and record.failure.kind == "silent":
            # The probe ran: it is not the kernel's console that is missing.
            message = "KVM ran the probe's boot sector, and the kernel wrote nothing"
        return Accelerator(works=False, reason=f"the PMU check failed: {message}")
    readings = {reading.name: reading for reading in record.readings}
    told, right = [], True
    for event in EVENTS:
        counted, expected = readings[f"pmu.{event}"], readings[f"pmu.{event}_expected"].value
        if counted.value is None or not expected:
            return Accelerator(works=False, reason=f"the guest has no PMU: {counted.reason}")
        told.append(f"{counted.value:.0f} of {expected:.0f} {event}")
        right = right and abs(counted.value / expected - 1) <= TOLERANCE
    return Accelerator(works=right, reason=f"the guest's PMU counted {' and '.join(told)}")
