# SPDX-License-Identifier: GPL-2.0-only
"""The clock jumps by years, both ways, while a run goes on: nothing but the times in it changes."""

import random
import time
from pathlib import Path

import pytest

from harness.store import load_run
from harness.tests.fuzz.killable import SEEDS, assert_same, begin, go, run_of
from harness.tests.unit.recorded_machine import started
from harness.tests.vm.unpacked import unpacked

pytestmark = pytest.mark.long

JUMPS = ("+0", "+3y", "-400d", "+100d", "-10y", "+1h")
EVERY_S = 0.05


def test_a_clock_that_jumps(captured: Path, tmp_path: Path) -> None:
    (library,) = unpacked(["libfaketime"], tmp_path / "faketime").rglob("libfaketime.so.1")
    whole = started(captured, tmp_path / "whole", seeds=SEEDS).path
    told = tmp_path / "now"
    told.write_text("+0\n")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(told),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",  # the kernel's does not jump
    }
    rng = random.Random(1)
    process = begin(captured, tmp_path / "out", environment=environment)
    go(process)
    jumps = 0
    while process.poll() is None:
        told.write_text(f"{rng.choice(JUMPS)}\n")
        jumps += 1
        time.sleep(EVERY_S)
    assert process.returncode == 0, process.communicate()[1]
    assert jumps > len(SEEDS)
    run = run_of(tmp_path / "out")
    assert run is not None
    assert_same(run, whole)
    records = load_run(run).records
    years = {record.started[:4] for record in records}
    assert len(years) > 1, "it did not jump"
    assert all(0 <= record.wall_seconds < 60 for record in records)
