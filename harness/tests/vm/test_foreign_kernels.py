# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that a distribution built: it boots, runs bench with what it can load, and says so."""

from pathlib import Path

import pytest

from harness.model.records import TrialRecord, TrialStatus
from harness.pipeline import Progress, RunRequest, run
from harness.store import load_run
from harness.tests.vm.stock import stock_kernel

pytestmark = [pytest.mark.vm, pytest.mark.long]

LEFT_OUT = ("bench_trigger_fentry_sleep", "bench_trigger_fmodret")
"""Programs that a kernel without function error injection refuses."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The newest stock Debian 6.1 that this machine's apt knows."""
    folder = stock_kernel(tmp_path_factory.mktemp("stock"))
    (found,) = (folder / "boot").glob("vmlinuz-*")
    return found


@pytest.fixture(scope="module")
def record(image: Path, tmp_path_factory: pytest.TempPathFactory) -> TrialRecord:
    request = RunRequest(
        suite="smoke",
        kernels=str(image),
        params={"instances": 3, "window_s": 0.2},
        out=tmp_path_factory.mktemp("results"),
        jobs=1,
    )
    (record,) = load_run(run(request, Progress()).path).records
    assert record.status is TrialStatus.OK, record.failure
    return record


def test_bench_runs_with_the_programs_that_load(record: TrialRecord) -> None:
    counts = {r.name: r.value for r in record.readings if r.name.startswith("bench.programs")}
    assert counts == {"bench.programs_loaded": 5, "bench.programs": 7}
    (note,) = (note for note in record.notes if note.startswith("bench loads 5 of 7 programs"))
    assert all(f"{name} (Invalid argument)" in note for name in LEFT_OUT)
    assert "CONFIG_FUNCTION_ERROR_INJECTION" in note


def test_the_kernel_holds_the_others_of_each_instance(record: TrialRecord) -> None:
    (programs,) = (
        r.value
        for r in record.readings
        if r.name == "bpf.text.programs" and r.labels.get("at") == "close"
    )
    assert programs is not None
    assert programs >= 3 * 5


def test_the_model_follows_it(record: TrialRecord) -> None:
    """Three instances in 0.2 s may well walk nowhere: what they execute is looked up."""
    counts = {r.name: r.value for r in record.readings if r.labels.get("origin", "all") == "all"}
    assert (counts["itlb.lookups"] or 0) > 100_000
    assert counts["itlb.stlb_hit"]
    assert counts["itlb.walk_completed_4k"] is not None
