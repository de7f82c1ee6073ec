# SPDX-License-Identifier: GPL-2.0-only
"""xdp-dispatch outside a guest: its programs, and what flood says."""

import struct
from types import ModuleType

import pytest

from harness.tests.unit.guest_modules import workload_module


@pytest.fixture
def dispatch(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return workload_module(monkeypatch, "xdp-dispatch", "xdp_dispatch")


@pytest.mark.parametrize("length", [3, 4, 700])
def test_a_program_is_as_long_as_asked_and_returns_its_verdict(
    dispatch: ModuleType, length: int
) -> None:
    code = list(struct.iter_unpack("<BBhi", dispatch.program(2, length)))
    assert len(code) == length
    assert code[-2:] == [(0xB7, 0, 0, 2), (0x95, 0, 0, 0)]
    assert code[0] == (0xB7, 2, 0, 0)


def test_packets_by_time(dispatch: ModuleType) -> None:
    assert dispatch.packets_per_second("packets 20 nanoseconds 1000\n") == 2e7
    for text in ("", "sendto: No buffer space", "packets 1 nanoseconds 0"):
        with pytest.raises(dispatch.WorkloadFailed, match="flood printed"):
            dispatch.packets_per_second(text)
