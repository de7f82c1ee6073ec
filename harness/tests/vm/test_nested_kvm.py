# SPDX-License-Identifier: GPL-2.0-only
"""Guests under KVM, on a machine without virtualization: in a guest that emulates it."""

from dataclasses import replace

import pytest

from harness.model.reading import Status
from harness.model.records import TrialRecord, TrialStatus
from harness.model.trial_settings import Mode
from harness.pipeline import Progress, RunRequest, run
from harness.pipeline.machine import Machine
from harness.store import load_run
from harness.targets.qemu.accel import Accelerator
from harness.tests.vm.nested import NestedTarget
from harness.tests.vm.stock import stock_kernel

pytestmark = [pytest.mark.vm, pytest.mark.long]


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> NestedTarget:
    return NestedTarget(stock=stock_kernel(tmp_path_factory.mktemp("stock")))


@pytest.fixture(scope="module")
def probed(nested: NestedTarget, tmp_path_factory: pytest.TempPathFactory) -> Accelerator:
    return nested.probe(tmp_path_factory.mktemp("probe"))


def test_the_probe_succeeds_where_kvm_works(probed: Accelerator) -> None:
    assert probed.works, probed.reason


@pytest.fixture(scope="module")
def record(
    nested: NestedTarget, probed: Accelerator, tmp_path_factory: pytest.TempPathFactory
) -> TrialRecord:
    """Suite smoke, cut down, under KVM; with perf, which such a guest has no PMU for."""
    request = RunRequest(
        suite="smoke",
        kernels="bpf_prog_pack",
        settings={"mode": "kvm", "counters": "perf"},
        params={"instances": 2, "window_s": 0.5},
        out=tmp_path_factory.mktemp("results"),
    )
    machine = replace(Machine(), target=nested, probe=lambda _: probed)
    (record,) = load_run(run(request, Progress(), machine).path).records
    assert record.status is TrialStatus.OK, record.failure
    return record


def test_a_trial_runs_under_kvm(record: TrialRecord) -> None:
    assert record.spec.mode is Mode.KVM
    found = {(r.name, r.labels.get("at")): r.value for r in record.readings}
    assert found["bpf.text.programs", "close"] == 14  # seven of each instance
    assert found["wx.mappings", "close"] == 0
    hits = [r.value for r in record.readings if r.name == "bench.hits"]
    assert len(hits) == 2
    assert all(hits)


def test_software_is_counted_there_and_hardware_is_not_supported(record: TrialRecord) -> None:
    perf = {r.name: r for r in record.readings if r.source == "perf"}
    assert perf["context_switches"].status is Status.OK
    assert (perf["context_switches"].value or 0) > 0
    assert perf["itlb.walk_completed_4k"].status is Status.NOT_SUPPORTED
    assert perf["itlb.walk_completed_4k"].value is None
