# SPDX-License-Identifier: GPL-2.0-only
"""The workload modules-hot outside a guest: what its program prints, which modules it takes."""

from fnmatch import fnmatch
from types import ModuleType

import pytest

from harness.config import definitions
from harness.tests.unit.guest_modules import workload_module


@pytest.fixture
def hot(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return workload_module(monkeypatch, "modules-hot", "modules_hot")


def test_what_the_program_prints(hot: ModuleType) -> None:
    assert hot.parse("algorithms 17 nanoseconds 5000\n") == (17, 5000)


@pytest.mark.parametrize(
    "text", ["", "algorithms 0 nanoseconds 5", "algorithms 3 nanoseconds 0", "hot: fork: no"]
)
def test_anything_else_fails_the_trial(hot: ModuleType, text: str) -> None:
    with pytest.raises(Exception, match="hot printed") as caught:
        hot.parse(text)
    assert type(caught.value).__name__ == "WorkloadFailed"


def test_every_module_it_loads_comes_with_a_kernel_of_the_users(hot: ModuleType) -> None:
    spec, _ = definitions.workload("modules-hot")
    assert [n for n in hot.MODULES if not any(fnmatch(n, p) for p in spec.modules)] == []
