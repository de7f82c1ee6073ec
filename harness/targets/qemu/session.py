# SPDX-License-Identifier: GPL-2.0-only
"""One boot from start to end: run QEMU, follow its two files, stop it in time."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness import proc
from harness.model.trial_settings import Mode
from harness.targets.qemu import pinning
from harness.targets.qemu.argv import VmRequest, pinned, qemu_argv
from harness.targets.target import INTERRUPTED

POLL_S = 0.25
SILENT_S: Mapping[Mode, float] = {Mode.EXACT: 180.0, Mode.FAST: 180.0, Mode.KVM: 30.0}
"""A guest that has written nothing at all after this wall time never will: only unpacking the
kernel comes before its first line, which takes a second or two where hardware executes it."""
FILE_BYTES = 1 << 30
"""A guest that writes more than this to a file is ended: it would only fill the disk."""


@dataclass(frozen=True, kw_only=True)
class VmResult:
    """How QEMU ended. ``stopped`` is empty if it ended by itself, else why we ended it."""

    returncode: int | None
    stopped: str
    stderr: str
    seconds: float  # wall time


Watcher = Callable[[bytes], str | None]
"""Gets what a file grew by; a text it returns is the reason to stop the guest."""


class _Follower:
    """Reads what a growing file has gained since the last look."""

    def __init__(self, path: Path, watch: Watcher) -> None:
        self._path = path
        self._watch = watch
        self.offset = 0  # bytes that have come

    def look(self) -> str | None:
        try:
            with self._path.open("rb") as file:
                file.seek(self.offset)
                grown = file.read()
        except FileNotFoundError:
            return None
        self.offset += len(grown)
        if self.offset > FILE_BYTES:
            return f"more than {FILE_BYTES} bytes in {self._path.name}"
        return self._watch(grown) if grown else None


def _ignore(_: bytes) -> None:
    return None


def boot(
    request: VmRequest,
    *,
    timeout_s: float,
    silent_s: float | None = None,
    on_console: Watcher = _ignore,
    on_channel: Watcher = _ignore,
    should_stop: Callable[[], bool] = lambda: False,
) -> VmResult:
    """Boot ``request`` and wait until QEMU ends, for at most ``timeout_s`` of wall time.

    A guest that has written nothing to either file after ``silent_s`` is ended then; None:
    after SILENT_S of its mode.
    The watchers see the console's and the channel's bytes as they appear and may end the
    guest early; ``should_stop`` is asked several times a second (interruption).
    Raises PrerequisiteError when QEMU is not installed.
    """
    began = time.monotonic()
    silent_s = SILENT_S[request.mode] if silent_s is None else silent_s
    followers = [
        _Follower(request.console, on_console),
        _Follower(request.channel, on_channel),
    ]
    errors = request.console.with_suffix(".qemu-stderr")
    stopped = ""
    with errors.open("wb") as stderr, proc.start(qemu_argv(request), stderr=stderr) as qemu:
        cpus = pinning.choose(request.smp) if pinned(request) else ()
        pinner = pinning.Pinner(qemu.pid, cpus)
        while True:
            ended = qemu.wait(POLL_S) is not None
            pinner.look()
            for follower in followers:
                stopped = stopped or follower.look() or ""
            if ended:
                break
            passed = time.monotonic() - began
            if passed > timeout_s:
                stopped = stopped or f"timed out after {timeout_s:g} s of wall time; killed"
            if passed > silent_s and not any(f.offset for f in followers):
                stopped = stopped or f"nothing written after {silent_s:g} s of wall time"
            if should_stop():
                stopped = stopped or INTERRUPTED
            if stopped:
                break
        returncode = qemu.poll()
    return VmResult(
        returncode=returncode,
        stopped="" if returncode is not None else stopped,
        stderr=errors.read_text(errors="replace"),
        seconds=time.monotonic() - began,
    )
