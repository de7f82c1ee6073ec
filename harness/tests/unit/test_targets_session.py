# SPDX-License-Identifier: GPL-2.0-only
"""When a guest is ended, with a shell in QEMU's place."""

from pathlib import Path

import pytest

from harness.model.trial_settings import Mode
from harness.targets import watched
from harness.targets.qemu import confinement, session
from harness.targets.qemu.argv import VmRequest
from harness.targets.qemu.confinement import UNCONFINED


def booted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, silent_s: float | None
) -> session.VmResult:
    """Run ``script``, which finds the two files as console and channel."""
    monkeypatch.setattr(
        session, "qemu_argv", lambda *_: ["/bin/sh", "-c", f"cd {tmp_path}; {script}"]
    )
    monkeypatch.setattr(confinement, "of_machine", lambda _: UNCONFINED)
    monkeypatch.setattr(watched, "POLL_S", 0.02)
    request = VmRequest(
        kernel=Path("K"),
        initrd=Path("I"),
        mode=Mode.EXACT,
        smp=1,
        memory_mib=64,
        seed=1,
        pti="on",
        console=tmp_path / "console",
        channel=tmp_path / "channel",
    )
    return session.boot(request, timeout_s=1.0, silent_s=silent_s)


def test_a_silent_guest_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = booted(monkeypatch, tmp_path, "touch console channel; exec sleep 60", 0.2)
    assert result.stopped == "nothing written after 0.2 s of wall time"
    assert result.returncode is None


@pytest.mark.parametrize("file", ["console", "channel"])
def test_one_that_writes_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str) -> None:
    result = booted(monkeypatch, tmp_path, f"echo x >{file}; exec sleep 60", 0.2)
    assert result.stopped == "timed out after 1 s of wall time; killed"


def test_a_guest_that_ends_is_not_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = booted(monkeypatch, tmp_path, "exit 0", 0.0)
    assert (result.returncode, result.stopped) == (0, "")


def test_for_some_time_silence_is_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = booted(monkeypatch, tmp_path, "sleep 0.5", None)
    assert (result.returncode, result.stopped) == (0, "")
