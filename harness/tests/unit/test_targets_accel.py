# SPDX-License-Identifier: GPL-2.0-only
"""What the probe says of an accelerator, with programs in QEMU's place."""

import os
from pathlib import Path

import pytest

from harness.itlb.plugin import QEMU
from harness.targets.qemu import accel

ASSERTION = "qemu-system-x86_64: ../target/i386/kvm/kvm.c:3213: Assertion `ret == 1' failed."


def qemu(folder: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in that does ``body``; a disk for it."""
    fake = folder / QEMU
    fake.write_text(f"#!/bin/sh\n{body}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "disk"


def test_a_guest_that_came_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = qemu(tmp_path, f"exit {accel.PROBE_EXIT_STATUS}", monkeypatch)
    assert accel.judge_probe(disk).works


def test_an_assertion_of_qemu_is_a_detail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f"cat >&2 <<'END'\n{ASSERTION}\nEND\nulimit -c 0\nkill -ABRT $$"
    disk = qemu(tmp_path, body, monkeypatch)
    verdict = accel.judge_probe(disk)
    assert verdict == accel.Accelerator(
        works=False,
        reason="KVM does not run a guest here (QEMU ended with status 134)",
        detail=ASSERTION,
    )


def test_another_end_is_no_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = qemu(tmp_path, "exit 0", monkeypatch)
    verdict = accel.judge_probe(disk)
    assert (verdict.works, verdict.detail) == (False, "")
    assert verdict.reason.endswith("(QEMU ended with status 0)")


def test_no_end_is_no_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = qemu(tmp_path, "exec sleep 60", monkeypatch)
    monkeypatch.setattr(accel, "PROBE_TIMEOUT_S", 0.2)
    verdict = accel.judge_probe(disk)
    assert not verdict.works
    assert verdict.reason == "KVM does not run a guest here (no boot sector ran within 0.2 s)"
