# SPDX-License-Identifier: GPL-2.0-only
"""The workloads that run the kernel's own tests, outside a guest."""

from random import Random
from types import ModuleType
from typing import Any

import pytest

from harness.config import definitions
from harness.tests.unit.guest_modules import workload_module


class Guest:
    """What a workload is given, recording what it reports."""

    def __init__(self, workload: str, **params: Any) -> None:
        self.params = {**definitions.workload(workload)[0].params, **params}
        self.seed = 7
        self.rng = Random(7)
        self.found: dict[str, str] = {}
        self.readings: dict[str, float] = {}
        self.kept: dict[str, bytes] = {}

    def progress(self, text: str) -> None:
        pass

    def keep(self, name: str, data: bytes) -> None:
        self.kept[name] = data

    def verdicts(self, found: dict[str, str]) -> None:
        self.found = found

    def emit(self, name: str, value: float, unit: str) -> None:
        self.readings[name] = value


def run(module: ModuleType, guest: Guest) -> Guest:
    workload = module.Workload()
    for step in (workload.setup, workload.warm, workload.measure, workload.teardown):
        step(guest)
    return guest


@pytest.mark.parametrize(
    ("params", "options"),
    [
        ({}, []),
        ({"last": 199}, ["test_range=0,199"]),
        ({"first": 5, "last": 5}, ["test_range=5,5"]),
    ],
)
def test_jit_tests_suite_by_suite(
    monkeypatch: pytest.MonkeyPatch, params: dict[str, int], options: list[str]
) -> None:
    module = workload_module(monkeypatch, "test-bpf", "test_bpf")
    loads: list[list[str]] = []

    def module_log(name: str, given: list[str]) -> list[str]:
        loads.append(given)
        return [
            "test_bpf: #0 TAX jited:1 24 PASS",
            "test_bpf: Summary: 1 PASSED, 0 FAILED, [1/1 JIT'ed]",
        ]

    monkeypatch.setattr(module, "module_log", module_log)
    guest = run(module, Guest("test-bpf", **params))
    assert loads[0] == ["test_suite=test_bpf", *options]
    assert [given[0] for given in loads[1:]] == [
        "test_suite=test_tail_calls",
        "test_suite=test_skb_segment",
    ]
    assert loads[1][1:] == []
    assert guest.readings == {
        "test.passed": 3, "test.failed": 0, "test.skipped": 0, "test.jited": 3, "test.not_jited": 0,
    }  # fmt: skip
    assert set(guest.found) == {f"{suite} #0 TAX" for suite in module.SUITES}


def test_a_range_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    module = workload_module(monkeypatch, "test-bpf", "test_bpf")
    with pytest.raises(module.WorkloadFailed, match="a range from 0 on"):
        run(module, Guest("test-bpf", first=7, last=3))


@pytest.mark.parametrize("workload", ["selftests", "selftests-parallel"])
def test_self_tests_that_there_are_not(monkeypatch: pytest.MonkeyPatch, workload: str) -> None:
    module = workload_module(monkeypatch, workload, workload.replace("-", "_"))
    monkeypatch.setattr(module, "selftest_names", lambda: ["xdp", "tailcalls"])
    with pytest.raises(module.WorkloadFailed, match="tests"):
        run(module, Guest(workload, tests="nothing"))


def test_self_tests_by_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    module = workload_module(monkeypatch, "selftests", "selftests")
    monkeypatch.setattr(module, "selftest_names", lambda: ["xdp", "xdp_link", "tailcalls", "ksyms"])
    monkeypatch.setattr(module, "run_selftest", lambda test: module.Results({test: "pass"}))
    guest = run(module, Guest("selftests", tests="xdp*,ksyms"))
    assert list(guest.found) == ["xdp", "xdp_link", "ksyms"]


def test_self_tests_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    module = workload_module(monkeypatch, "selftests-parallel", "selftests_parallel")
    names = ["xdp", "tailcalls", "ksyms"]
    ran: list[str] = []

    def run_selftest(test: str, apart: tuple[str, ...]) -> Any:
        assert apart[0] == "unshare"
        ran.append(test)
        return importable.Results({test: "fail" if ran.count(test) == 2 else "pass"})

    importable = workload_module(monkeypatch, "test-bpf", "agent.kernel_tests")
    monkeypatch.setattr(module, "selftest_names", lambda: names)
    monkeypatch.setattr(module, "run_selftest", run_selftest)
    guest = run(module, Guest("selftests-parallel", tests=",".join(names), rounds=2))
    assert sorted(ran) == sorted(names * 2)
    assert set(guest.found.values()) == {"fail"}, "a test that failed once has failed"
