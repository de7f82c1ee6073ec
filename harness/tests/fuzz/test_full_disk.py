# SPDX-License-Identifier: GPL-2.0-only
"""A disk that is full at any write, in bytes or in inodes, or read-only: one line, what was
measured stays, and the run is resumed to what it would have been."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import proc
from harness.analysis.same_result import first_difference
from harness.errors import PrerequisiteError
from harness.store import load_run
from harness.tests.fuzz import disks
from harness.tests.unit.recorded_machine import started

pytestmark = pytest.mark.long

SEEDS = (1, 2, 3)
DISK_KIB, INODES = 8192, 64
STEP_KIB = 16


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 8 MiB with few inodes, on a loop device."""
    if os.geteuid():
        pytest.skip("mounting a file system needs root")
    disks.make(tmp_path / "image", DISK_KIB, INODES)
    with disks.mounted(tmp_path / "image", tmp_path / "disk") as folder:
        yield folder


def free_kib(disk: Path) -> int:
    left = os.statvfs(disk)
    return left.f_bavail * left.f_frsize // 1024


def fill(disk: Path, leave_kib: int) -> Path:
    """A file that leaves about so much room."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free_kib(disk) - leave_kib) * 1024)
    return ballast


def attempt(captured: Path, out: Path, resume: str = "") -> bool:
    """The run, begun or resumed; whether it came to its end. It may say that the disk is full and
    nothing else."""
    asked: dict[str, Any] = {"seeds": SEEDS}
    if resume:
        asked = {"resume": resume, "suite": None, "kernels": None, "seeds": None}
    try:
        started(captured, out, **asked)
    except PrerequisiteError as error:
        assert "the disk is full" in error.message or "read-only" in error.message
        assert "\n" not in error.message
        return False
    return True


def check_kept(run: Path, whole: Path) -> int:
    """What is in ``run`` is what the undisturbed run has; how many trials it is."""
    kept = {record.trial: record for record in load_run(run).records}
    for record in load_run(whole).records:
        if record.trial in kept:
            assert first_difference(record, kept[record.trial]) == ""
    return len(kept)


def runs(out: Path) -> list[Path]:
    return [path.parent for path in out.glob("*/manifest.json")]


def test_a_disk_that_is_full_at_any_byte(captured: Path, tmp_path: Path, disk: Path) -> None:
    whole = started(captured, tmp_path / "whole", seeds=SEEDS).path
    ended = 0
    kept_at = []
    for leave in range(0, DISK_KIB, STEP_KIB):
        out = disk / "results"
        ballast = fill(disk, leave)
        if attempt(captured, out):
            ended += 1
        begun = runs(out)
        kept_at.append(check_kept(begun[0], whole) if begun else 0)
        ballast.unlink()
        if begun:
            assert attempt(captured, out, str(begun[0]))
            assert check_kept(begun[0], whole) == len(SEEDS)
        proc.run(["rm", "-rf", str(out)])
        if ended == 3:
            break
    assert ended == 3, "no amount of room was enough"
    assert kept_at == sorted(kept_at)
    assert set(kept_at) == {0, 1, 2, 3}, "the disk was full before, between and after trials"


def test_a_disk_without_inodes(captured: Path, tmp_path: Path, disk: Path) -> None:
    whole = started(captured, tmp_path / "whole", seeds=SEEDS).path
    outcomes = set()
    for left in range(40):
        out = disk / "results"
        names = [disk / f"empty-{n}" for n in range(max(0, os.statvfs(disk).f_ffree - left))]
        for name in names:
            name.touch()
        outcomes.add(attempt(captured, out))
        begun = runs(out) if out.exists() else []
        for name in names:
            name.unlink()
        if begun:
            check_kept(begun[0], whole)
            assert attempt(captured, out, str(begun[0]))
            assert check_kept(begun[0], whole) == len(SEEDS)
        proc.run(["rm", "-rf", str(out)])
    assert outcomes == {False, True}


def test_a_disk_that_is_read_only(captured: Path, tmp_path: Path, disk: Path) -> None:
    whole = started(captured, tmp_path / "whole", seeds=SEEDS).path
    out = disk / "results"
    proc.run(["mount", "-o", "remount,ro", str(disk)])
    assert not attempt(captured, out)
    proc.run(["mount", "-o", "remount,rw", str(disk)])
    assert attempt(captured, out)
    (run,) = runs(out)
    proc.run(["mount", "-o", "remount,ro", str(disk)])
    assert check_kept(run, whole) == len(SEEDS), "results are read from a read-only disk"
    proc.run(["mount", "-o", "remount,rw", str(disk)])
