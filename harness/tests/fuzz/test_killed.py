# SPDX-License-Identifier: GPL-2.0-only
"""The program killed at any moment: nothing that ended is lost, nothing is there twice, and the
run that is resumed to its end is the one that was never interrupted."""

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness.scratch import PREFIX, ROOT
from harness.store import load_run
from harness.store.loading import RECORDS
from harness.tests.fuzz.killable import SEEDS, assert_same, begin, go, run_of
from harness.tests.unit.recorded_machine import started

pytestmark = pytest.mark.long

KILLS = 200


def lasts(captured: Path, out: Path) -> float:
    """Seconds from start to end of the run, when nobody kills it."""
    process = begin(captured, out)
    began = time.monotonic()
    _, errors = process.communicate("go\n", 120)
    assert process.returncode == 0, errors
    return time.monotonic() - began


def test_a_run_survives_being_killed(captured: Path, tmp_path: Path) -> None:
    whole_run = started(captured, tmp_path / "whole", seeds=SEEDS).path
    seconds = lasts(captured, tmp_path / "timed")
    rng = random.Random(20261128)
    killed: list[int] = []
    ends = 0
    while len(killed) < KILLS:
        out = tmp_path / f"run-{ends}"
        out.mkdir()
        kept = b""
        while True:
            run = run_of(out)
            process = begin(captured, out, str(run or ""))
            go(process)
            try:
                process.wait(rng.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed.append(process.pid)
            run = run_of(out)
            if run is None:
                continue
            now = (run / RECORDS).read_bytes() if (run / RECORDS).exists() else b""
            assert now.startswith(kept), "a record that was kept is gone"
            kept = now[: now.rfind(b"\n") + 1]
            if process.returncode == 0:
                break
            assert process.returncode == -signal.SIGKILL, process.communicate()[1]
        ends += 1
        resumed = load_run(run)
        assert resumed.problems == ()
        lines = kept.splitlines()
        assert len(lines) == len(SEEDS), "a trial is there twice, or not at all"
        assert_same(run, whole_run)
    started(captured, tmp_path / "after", seeds=(1,))
    assert [pid for pid in killed if list(ROOT.glob(f"{PREFIX}{pid}-*"))] == []
