# SPDX-License-Identifier: GPL-2.0-only
"""The program killed with a real guest under it: no guest runs on, nothing is left, and the run
that is resumed is the one that was never interrupted."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.analysis.same_result import first_difference
from harness.model.records import TrialStatus
from harness.scratch import PREFIX, ROOT
from harness.store import load_run

pytestmark = [pytest.mark.vm, pytest.mark.long]

KILLS = 10
MOST_S = 45.0
"""About as long as the first of the two trials takes."""
HARNESS = (sys.executable, "-m", "harness", "run")
ASKED = (
    "--kernel", "bpf_prog_pack", "--workload", "trig-kprobe", "--seeds", "2", "--pti", "on",
    "--jobs", "1", "-p", "instances=1", "-p", "window_s=0.1",
)  # fmt: skip


def guests(out: Path) -> list[int]:
    """Processes of QEMU that a program with its results in ``out`` started."""
    return [
        process.pid
        for process in psutil.process_iter(["name", "environ"])
        if "qemu" in (process.info["name"] or "")
        and (process.info["environ"] or {}).get("EXECMEM_BENCH_TEST") == str(out)
    ]


def program(out: Path) -> "subprocess.Popen[str]":
    """The program as a user starts it; it resumes the run in ``out`` if there is one."""
    words = ("--resume", "latest") if list(out.glob("*/manifest.json")) else ASKED
    return subprocess.Popen(
        [*HARNESS, *words, "--quiet", "--out", str(out)],
        env={**os.environ, "EXECMEM_BENCH_TEST": str(out)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_and_resumed(out: Path, rng: random.Random, kills: int) -> list[int]:
    """A run to its end, killed up to ``kills`` times on the way; the processes that were."""
    done: list[int] = []
    while True:
        process = program(out)
        try:
            process.wait(rng.uniform(1, MOST_S) if len(done) < kills else 600)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            done.append(process.pid)
            deadline = time.monotonic() + 10
            while guests(out) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert guests(out) == [], "a guest runs on"
            continue
        assert process.returncode == 0, process.communicate()[1]
        return done


def test_nothing_is_lost_and_nothing_is_left(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert program(whole).wait(600) == 0
    (path,) = whole.glob("*/manifest.json")
    undisturbed = load_run(path.parent).records
    rng = random.Random(1)
    killed: list[int] = []
    runs = 0
    while len(killed) < KILLS:
        out = tmp_path / f"run-{runs}"
        runs += 1
        killed += killed_and_resumed(out, rng, KILLS - len(killed))
        (path,) = out.glob("*/manifest.json")
        resumed = load_run(path.parent)
        assert resumed.problems == ()
        assert len((path.parent / "records.jsonl").read_bytes().splitlines()) == len(undisturbed)
        for one, other in zip(undisturbed, resumed.records, strict=True):
            assert other.status is TrialStatus.OK
            assert first_difference(one, other) == ""
    assert [pid for pid in killed if list(ROOT.glob(f"{PREFIX}{pid}-*"))] == []
