# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own tests as the guest reads them: logs to verdicts."""

from collections.abc import Iterator
from types import ModuleType

import pytest

from harness.tests.unit.guest_modules import workload_module

JIT = """\
test_bpf: #0 TAX jited:1 241 272 267 PASS
test_bpf: #1 DIV by 0 jited:1 ret 3 != 4 FAIL (1 times)
test_bpf: #2 check: missing ret PASS
test_bpf: #3 check: div_k_0 UNEXPECTED_PASS
test_bpf: #4 JMP: PASS or FAIL to prog_create err=-22 len=3
test_bpf: Summary: 2 PASSED, 3 FAILED, [2/2 JIT'ed]
""".splitlines()
VMALLOC = """\
test_vmalloc: Summary: fix_size_alloc_test passed: 1 failed: 0 repeat: 1 loops: 50 avg: 9 usec
test_vmalloc: Summary: pcpu_alloc_test passed: 1 failed: 0 repeat: 1 loops: 50 avg: 9 usec
test_vmalloc: All test took worker0=99 cycles
test_vmalloc: Summary: fix_size_alloc_test passed: 1 failed: 0 repeat: 1 loops: 50 avg: 9 usec
test_vmalloc: Summary: pcpu_alloc_test passed: 0 failed: 1 repeat: 1 loops: 50 avg: 9 usec
""".splitlines()
EXECMEM = """\
test_execmem: overlap: ok
test_execmem: bounds: FAILED: a write past the end was taken
test_execmem: Summary: 1 passed, 1 failed, seed 1, 2 threads, 200 loops
""".splitlines()
PROGS = """\
test_fexit_sleep:PASS:fexit_skel_load 0 nsec
#27/1    fexit_sleep/lskel one:OK
#27      fexit_sleep:OK
Summary: 1/1 PASSED, 0 SKIPPED, 0 FAILED
"""


@pytest.fixture
def kernel_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    yield workload_module(monkeypatch, "test-bpf", "agent.kernel_tests")


@pytest.fixture
def failed(kernel_tests: ModuleType) -> type[Exception]:
    found: type[Exception] = kernel_tests.WorkloadFailed
    return found


def test_jit_tests(kernel_tests: ModuleType) -> None:
    found, jited, run = kernel_tests.parse_test_bpf("test_bpf", JIT)
    assert found.verdicts == {
        "test_bpf #0 TAX": "pass",
        "test_bpf #1 DIV by 0": "fail",
        "test_bpf #2 check: missing ret": "pass",
        "test_bpf #3 check: div_k_0 UNEXPECTED_PASS": "fail",
        "test_bpf #4 JMP:": "fail",
    }
    assert (jited, run) == (2, 2)
    assert "ret 3 != 4" in found.output["test_bpf #1 DIV by 0"]


def test_a_log_with_a_line_less_than_its_summary(
    kernel_tests: ModuleType, failed: type[Exception]
) -> None:
    with pytest.raises(failed, match="says 2 passed and 3 failed, its lines say 1 and 3"):
        kernel_tests.parse_test_bpf("test_bpf", JIT[1:])
    with pytest.raises(failed, match="did not come to its summary"):
        kernel_tests.parse_test_bpf("test_bpf", JIT[:-1])


def test_vmalloc_fails_if_one_thread_does(kernel_tests: ModuleType) -> None:
    found = kernel_tests.parse_vmalloc(VMALLOC)
    assert found.verdicts == {"fix_size_alloc_test": "pass", "pcpu_alloc_test": "fail"}


def test_execmem(kernel_tests: ModuleType) -> None:
    found = kernel_tests.parse_execmem(EXECMEM)
    assert found.verdicts == {"overlap": "pass", "bounds": "fail"}
    assert list(found.output) == ["bounds"]


def test_records_of_the_kernels_log(kernel_tests: ModuleType) -> None:
    lines: list[str] = []
    for record in (
        "6,900,1234,-;test_bpf: #0 TAX jited:1\n SUBSYSTEM=x\n",
        "6,901,1235,c; 24 PASS\n",
        "6,902,1236,-,caller=T1;next; and more\n",
    ):
        kernel_tests.add_record(lines, record)
    assert lines == ["test_bpf: #0 TAX jited:1 24 PASS", "next; and more"]


def test_self_tests(kernel_tests: ModuleType) -> None:
    found = kernel_tests.parse_test_progs("fexit_sleep", PROGS, "")
    assert found.verdicts == {"fexit_sleep/lskel_one": "pass", "fexit_sleep": "pass"}
    assert found.output == {}


@pytest.mark.parametrize(
    ("text", "ended"),
    [("", ""), (PROGS, "killed by signal 11"), (PROGS.replace(":OK", ":FAIL"), "")],
)
def test_a_self_test_without_a_good_end_has_failed(
    kernel_tests: ModuleType, text: str, ended: str
) -> None:
    found = kernel_tests.parse_test_progs("fexit_sleep", text, ended)
    assert found.verdicts["fexit_sleep"] == "fail"
    assert "fexit_sleep" in found.output


def test_several_runs_of_one_test(kernel_tests: ModuleType) -> None:
    parts = [kernel_tests.Results({"a": word}) for word in ("pass", "fail", "pass")]
    assert kernel_tests.merged(parts).verdicts == {"a": "fail"}
    parts = [kernel_tests.Results({"a": word}) for word in ("skip", "pass")]
    assert kernel_tests.merged(parts).verdicts == {"a": "pass"}


def test_all_are_run_side_by_side(kernel_tests: ModuleType) -> None:
    names = [f"t{n}" for n in range(20)]
    done = kernel_tests.side_by_side(names, 3, lambda t: kernel_tests.Results({t: "pass"}))
    assert sorted(name for name, _ in done) == sorted(names)


def test_nothing_run_is_no_pass(kernel_tests: ModuleType, failed: type[Exception]) -> None:
    with pytest.raises(failed, match="no test was run"):
        kernel_tests.report(None, kernel_tests.Results())
