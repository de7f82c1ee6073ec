# SPDX-License-Identifier: GPL-2.0-only
"""The power goes while a run is being written: what had reached the disk is all that there is."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from harness.store.loading import RECORDS
from harness.tests.fuzz import disks
from harness.tests.fuzz.killable import SEEDS, assert_same, begin, go, run_of
from harness.tests.unit.recorded_machine import started

pytestmark = pytest.mark.long

CUTS = 40
DISK_KIB, INODES = 16384, 256


def test_what_was_kept_is_on_the_disk(captured: Path, tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("mounting a file system needs root")
    whole = started(captured, tmp_path / "whole", seeds=SEEDS).path
    began = time.monotonic()
    started(captured, tmp_path / "timed", seeds=SEEDS)
    seconds = time.monotonic() - began
    rng = random.Random(20261129)
    kept_at = []
    for number in range(CUTS):
        image, cut = tmp_path / "image", tmp_path / "cut"
        disks.make(image, DISK_KIB, INODES)
        with disks.mounted(image, tmp_path / "disk") as disk:
            process = begin(captured, disk / "results")
            go(process)
            time.sleep(rng.uniform(0, seconds))
            process.send_signal(signal.SIGSTOP)
            run = run_of(disk / "results")
            lines = (run / RECORDS).read_bytes() if run and (run / RECORDS).exists() else b""
            shutil.copyfile(image, cut)  # as the loop device has it: not what is in the cache
            process.send_signal(signal.SIGKILL)
            process.wait()
        with disks.mounted(cut, tmp_path / "after") as disk:
            run = run_of(disk / "results")
            # The last line is perhaps being written; all before it had been kept.
            kept = max(0, lines.count(b"\n") - 1)
            assert run is not None or not kept, number
            if run is not None:
                assert_same(run, whole, kept)
            resumed = begin(captured, disk / "results", str(run or ""))
            _, errors = resumed.communicate("go\n", 120)
            assert resumed.returncode == 0, errors
            run = run_of(disk / "results")
            assert run is not None
            assert_same(run, whole)
        kept_at.append(kept)
    assert len(set(kept_at)) > len(SEEDS) // 2, kept_at
