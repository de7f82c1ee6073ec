# SPDX-License-Identifier: GPL-2.0-only
"""What would flush the TLB does nothing to the model where it faults."""

import json
from pathlib import Path

import pytest

from harness.tests.vm.modelled import Boot, initrd_of

pytestmark = pytest.mark.vm

TIMES = 1000


def test_a_program_cannot_flush(tmp_path: Path) -> None:
    guest = Boot(initrd=initrd_of("ring3", tmp_path), done=f"ring3: {4 * TIMES} faults")
    report = json.loads(guest.report(tmp_path / "out"))
    assert all(check["ok"] for check in report["self_checks"])
    (window,) = (w for w in report["windows"] if w["id"] == 2)
    flushes = window["vcpus"][0]["flushes"]
    # Of a single program that maps nothing: the kernel itself has next to nothing to flush.
    assert sum(flushes.values()) < TIMES // 10, flushes
