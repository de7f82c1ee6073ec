# SPDX-License-Identifier: GPL-2.0-only
"""The population of bcc-fleet: sizes, order, C text; outside a guest."""

import os
import random
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tests.unit.guest_modules import workload_module


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return workload_module(monkeypatch, "bcc-fleet", "fleet")


@pytest.mark.parametrize("programs", [1, 10, 100, 1000])
def test_shares_are_as_asked_at_every_seed(fleet: ModuleType, programs: int) -> None:
    for seed in range(5):
        found = fleet.population(random.Random(seed), programs, 0.5, 0.75, 12000)
        assert len(found) == programs
        assert abs(fleet.share_under(found, 500) - 0.5) <= 0.5 / programs + 1e-9
        assert abs(fleet.share_under(found, 2000) - 0.75) <= 0.5 / programs + 1e-9
        assert max(found) <= 12000


def test_the_seed_moves_sizes_and_order(fleet: ModuleType) -> None:
    one, same, other = (
        fleet.population(random.Random(seed), 100, 0.5, 0.75, 12000) for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other
    assert sorted(one) != sorted(other)


def test_a_limit_cuts_the_tail(fleet: ModuleType) -> None:
    assert max(fleet.population(random.Random(1), 100, 0.5, 0.75, 4000)) <= 4000
    assert max(fleet.sizes(4000)) == 3600


def test_the_text_has_a_function_for_each_size(fleet: ModuleType) -> None:
    text = fleet.source([130, 560])
    assert text.count("int f") == 2
    assert text.count("x ^= x >> 13;") == fleet.steps(130) + fleet.steps(560)
    assert fleet.steps(130) == 2


def test_quantiles_are_of_the_programs_themselves(fleet: ModuleType) -> None:
    found = [40, 10, 30, 20]
    assert [fleet.quantile(found, q) for q in (0.5, 0.75, 0.9, 1.0)] == [20, 30, 40, 40]


@given(st.lists(st.integers(1, 20000), min_size=1), st.integers(0, 20001))
def test_a_share_is_a_share(sizes: list[int], limit: int) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        fleet = workload_module(monkeypatch, "bcc-fleet", "fleet")
        assert 0 <= fleet.share_under(sizes, limit) <= 1
        assert fleet.quantile(sizes, 1.0) == max(sizes)


class Bcc(ModuleType):
    """A bcc whose clang says what is wrong as the real one does: on standard error."""

    __version__ = "0.26.0"

    def __init__(self, message: bytes) -> None:
        super().__init__("bcc")
        self._message = message

    def BPF(self, text: str) -> None:
        if self._message:
            os.write(2, self._message)
            raise Exception("Failed to compile BPF module <text>")


def compiled(monkeypatch: pytest.MonkeyPatch, headers: Path, message: bytes) -> None:
    module = workload_module(monkeypatch, "bcc-fleet", "bcc_fleet")
    monkeypatch.setattr(module, "HEADERS", str(headers))
    monkeypatch.setenv("BCC_KERNEL_SOURCE", "")
    monkeypatch.setitem(sys.modules, "bcc", Bcc(message))
    guest = SimpleNamespace(progress=lambda _: None)
    try:
        module.Workload()._compile(guest, [130])
    except module.WorkloadFailed as error:
        pytest.fail(str(error))


def test_a_compiler_that_is_too_old_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    clang = b"In file included from x:\ninclude/linux/fs.h:2465:1: error: static_assert failed\n"
    with pytest.raises(pytest.fail.Exception) as caught:
        compiled(monkeypatch, tmp_path, clang)
    assert str(caught.value) == (
        f"bcc 0.26.0 does not compile with the headers of Linux {os.uname().release}: "
        "include/linux/fs.h:2465:1: error: static_assert failed"
    )
    with pytest.raises(pytest.fail.Exception, match="Failed to compile BPF module"):
        compiled(monkeypatch, tmp_path, b"no more than a warning\n")
    compiled(monkeypatch, tmp_path, b"")


def test_a_kernel_without_headers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="no headers of this kernel"):
        compiled(monkeypatch, tmp_path / "none", b"")
