# SPDX-License-Identifier: GPL-2.0-only
"""The workload dose outside a guest: its steps, and what it asks perf_event_open(2) for."""

import os
import struct
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tests.unit.guest_modules import workload_module


@pytest.fixture(scope="module")
def dose() -> ModuleType:
    with pytest.MonkeyPatch.context() as patched:
        return workload_module(patched, "dose", "dose")


@pytest.mark.parametrize(
    ("programs", "steps"),
    [
        (1, [1]),
        (2, [1, 2]),
        (7, [1, 2, 5, 7]),
        (1000, [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]),
    ],
)
def test_each_dose_is_about_twice_the_one_before(
    dose: ModuleType, programs: int, steps: list[int]
) -> None:
    assert list(dose.doses(programs)) == steps


@given(programs=st.integers(1, 5000))
def test_doses_rise_to_the_last_and_fit_into_the_windows(dose: ModuleType, programs: int) -> None:
    steps = list(dose.doses(programs))
    assert steps[-1] == programs
    assert steps == sorted(set(steps))
    assert len(steps) <= 12


def test_the_probe_is_on_the_functions_entry(dose: ModuleType) -> None:
    attribute = dose.attribute(6, 0x1234)
    kind, size = struct.unpack_from("<II", attribute)
    name, offset = struct.unpack_from("<QQ", attribute, 56)  # where <linux/perf_event.h> has them
    assert (kind, size, len(attribute)) == (6, 72, 72)
    assert (name, offset) == (0x1234, 0)


def test_no_probe_is_an_error_of_the_trial(
    dose: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        @staticmethod
        def syscall(*_: object) -> int:
            return -1

    monkeypatch.setattr(dose, "_libc", Refusing)
    monkeypatch.setattr("ctypes.get_errno", lambda: 2)
    with pytest.raises(Exception, match=f"no probe on .*: {os.strerror(2)}") as caught:
        dose.probe(6, 3)
    assert type(caught.value).__name__ == "WorkloadFailed"
