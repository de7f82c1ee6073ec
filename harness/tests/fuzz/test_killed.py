# SPDX-License-Identifier: GPL-2.0-only
"""The program killed at any moment: nothing that ended is lost, nothing is there twice, and the
run that is resumed to its end is the one that was never interrupted."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.analysis.same_result import first_difference
from harness.model.records import TrialStatus
from harness.paths import PROJECT
from harness.scratch import PREFIX, ROOT
from harness.store import load_run
from harness.store.loading import RECORDS
from harness.tests.unit.recorded_machine import started

pytestmark = pytest.mark.long

KILLS = 200
SEEDS = tuple(range(1, 9))
PROGRAM = """
import sys
from pathlib import Path
from harness.tests.unit.recorded_machine import started
captured, out, resume = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
asked = {"resume": resume, "suite": None, "kernels": None, "seeds": None} if resume else {}
started(captured, out, **{"seeds": tuple(range(1, 9)), **asked})
print("done", flush=True)
"""
"""A run of captured trials: a stand-in for guests, whose own death is tested elsewhere."""


def begin(captured: Path, out: Path, resume: str) -> "subprocess.Popen[str]":
    """The program, imported and about to start."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(captured), str(out), resume],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=PROJECT,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def lasts(captured: Path, out: Path) -> float:
    """Seconds from start to end of the run, when nobody kills it."""
    process = begin(captured, out, "")
    began = time.monotonic()
    _, errors = process.communicate("go\n", 120)
    assert process.returncode == 0, errors
    return time.monotonic() - began


def run_of(out: Path) -> Path | None:
    """The run in ``out``, once its manifest is there."""
    begun = [path for path in out.iterdir() if (path / "manifest.json").is_file()]
    assert len(begun) <= 1
    return begun[0] if begun else None


def test_a_run_survives_being_killed(captured: Path, tmp_path: Path) -> None:
    whole_run = started(captured, tmp_path / "whole", seeds=SEEDS).path
    whole = load_run(whole_run)
    seconds = lasts(captured, tmp_path / "timed")
    rng = random.Random(20261128)
    kills = ends = 0
    while kills < KILLS:
        out = tmp_path / f"run-{ends}"
        out.mkdir()
        kept = b""
        while True:
            run = run_of(out)
            process = begin(captured, out, str(run) if run else "")
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            try:
                process.wait(rng.uniform(0, seconds))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills += 1
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
        for one, other in zip(whole.records, resumed.records, strict=True):
            assert other.status is TrialStatus.OK
            assert first_difference(one, other) == ""
            for name in ("console.log", "channel.out.gz", "itlb.json.gz"):
                kept_raw, raw = (r / "raw" / one.trial / name for r in (whole_run, run))
                assert raw.read_bytes() == kept_raw.read_bytes()
    started(captured, tmp_path / "after", seeds=(1,))
    owners = [path.name.removeprefix(PREFIX).partition("-")[0] for path in ROOT.glob(f"{PREFIX}*")]
    assert [pid for pid in owners if not Path("/proc", pid).exists()] == []
