# SPDX-License-Identifier: GPL-2.0-only
"""A run of captured trials as a process of its own, to be killed, stopped or lied to.

A stand-in for guests, whose own death is tested elsewhere.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.analysis.same_result import first_difference
from harness.model.records import TrialStatus
from harness.paths import PROJECT
from harness.store import load_run

SEEDS = tuple(range(1, 9))
RAW = ("console.log", "channel.out.gz", "itlb.json.gz")
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


def begin(
    captured: Path, out: Path, resume: str = "", environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[str]":
    """The program, imported and about to start: it does when it is told to ``go``."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(captured), str(out), resume],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=PROJECT, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: "subprocess.Popen[str]") -> None:
    """Let it start."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def run_of(out: Path) -> Path | None:
    """The run in ``out``, once its manifest is there."""
    begun = [path.parent for path in out.glob("*/manifest.json")]
    assert len(begun) <= 1
    return begun[0] if begun else None


def assert_same(run: Path, whole: Path, trials: int | None = None) -> None:
    """The records in ``run``, of all seeds or so many at least, and their raw output, are those of
    the undisturbed run ``whole``."""
    kept = {record.trial: record for record in load_run(run).records}
    assert len(kept) >= (len(SEEDS) if trials is None else trials)
    for record in load_run(whole).records:
        if record.trial not in kept:
            continue
        assert kept[record.trial].status is TrialStatus.OK
        assert first_difference(record, kept[record.trial]) == ""
        for name in RAW:
            mine, theirs = (r / "raw" / record.trial / name for r in (run, whole))
            assert mine.read_bytes() == theirs.read_bytes(), f"{record.trial}: {name}"
