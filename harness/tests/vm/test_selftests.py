# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own tests on every measured build: none fails that passes on the base."""

from pathlib import Path

import pytest

from harness.analysis.compare import compare
from harness.analysis.verdicts import Verdicts, new_failures
from harness.config import definitions
from harness.model.records import TrialRecord, TrialStatus
from harness.pipeline import Progress, RunRequest, run
from harness.store import load_run
from harness.store.loading import LoadedRun

pytestmark = [pytest.mark.vm, pytest.mark.long]

BASE = "bpf_prog_pack"
VARIANTS = tuple(v.name for v in definitions.variants().values() if not v.by_name_only)
LEAST = {"test-bpf": 1000, "vmalloc": 8, "selftests": 150}
"""Fewer verdicts than this from a workload are no judgement."""
JITED = 1024
"""Programs of test_bpf.ko in 6.1 on x86-64."""
MUST_PASS = {
    "fentry_test", "fexit_test", "fentry_fexit", "fexit_sleep", "fexit_stress", "fexit_bpf2bpf",
    "modify_return", "trampoline_count", "tailcalls", "subprogs", "xdp", "xdp_link",
    "xdp_bpf2bpf", "xdp_noinline", "dummy_st_ops", "bpf_loop", "ksyms",
}  # fmt: skip
"""Self-tests that pass on the base in this guest; one that no longer does is not judged."""


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    """The suite ``selftests`` on every variant that is measured."""
    request = RunRequest(
        suite="selftests", kernels=",".join(VARIANTS), out=tmp_path_factory.mktemp("results"),
        jobs=1,
    )  # fmt: skip
    outcome = run(request, Progress())
    return load_run(outcome.path)


def trial(judged: LoadedRun, variant: str, workload: str) -> TrialRecord:
    (found,) = (
        r for r in judged.records if (r.spec.variant, r.spec.workload) == (variant, workload)
    )
    assert found.status is TrialStatus.OK, found.failure
    return found


@pytest.mark.parametrize("workload", LEAST)
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_test_fails_that_passes_on_the_base(
    judged: LoadedRun, variant: str, workload: str
) -> None:
    ours, base = (trial(judged, name, workload).verdicts for name in (variant, BASE))
    assert len(ours) >= LEAST[workload]
    assert new_failures(ours, base) == ()
    assert [test for test in base if test not in ours] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_jit_test_passes_jited(judged: LoadedRun, variant: str) -> None:
    found = trial(judged, variant, "test-bpf")
    values = {r.name: r.value for r in found.readings if r.name.startswith("test.")}
    assert (values["test.failed"], values["test.not_jited"]) == (0, 0)
    assert values["test.jited"] == JITED


def test_those_that_matter_most_are_judged(judged: LoadedRun) -> None:
    verdicts = trial(judged, BASE, "selftests").verdicts
    assert {t: w for t, w in verdicts.items() if t in MUST_PASS} == dict.fromkeys(MUST_PASS, "pass")


def test_the_comparison_has_the_table(judged: LoadedRun) -> None:
    tables = [block.verdicts for block in compare([judged], baseline=BASE).blocks]
    assert len(tables) == len(LEAST)
    for found in tables:
        assert isinstance(found, Verdicts)
        assert list(found.counts) == [BASE, *(v for v in VARIANTS if v != BASE)]
        assert not any(found.new_failures.values())


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.startswith("execmem")])
def test_the_allocators_own_test(variant: str, tmp_path: Path) -> None:
    request = RunRequest(
        suite="selftests", workload="test-execmem", kernels=variant, out=tmp_path, jobs=1
    )
    (record,) = load_run(run(request, Progress()).path).records
    assert record.status is TrialStatus.OK, record.failure
    assert len(record.verdicts) >= 5
    assert set(record.verdicts.values()) == {"pass"}


def test_a_kernel_without_the_module_says_so(tmp_path: Path) -> None:
    request = RunRequest(
        suite="selftests", workload="test-execmem", kernels=BASE, out=tmp_path, jobs=1
    )
    (record,) = load_run(run(request, Progress()).path).records
    assert record.failure is not None
    assert "this kernel has no module test_execmem" in record.failure.message
