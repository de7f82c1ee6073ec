# SPDX-License-Identifier: GPL-2.0-only
"""One boot from start to end: run QEMU, follow its two files, stop it in time."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from harness import proc
from harness.model.trial_settings import Mode
from harness.targets.qemu import confinement, pinning
from harness.targets.qemu.argv import VmRequest, pinned, qemu_argv
from harness.targets.watched import (
    CHANNEL_BYTES,
    CONSOLE_BYTES,
    Follower,
    Watcher,
    watched,
)

SILENT_S: Mapping[Mode, float] = {Mode.EXACT: 180.0, Mode.FAST: 180.0, Mode.KVM: 30.0}
"""A guest that has written nothing at all after this wall time never will: only unpacking the
kernel comes before its first line, which takes a second or two where hardware executes it."""


@dataclass(frozen=True, kw_only=True)
class VmResult:
    """How QEMU ended. ``stopped`` is empty if it ended by itself, else why we ended it."""

    returncode: int | None
    stopped: str
    stderr: str
    seconds: float  # wall time


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
    beside: Callable[[int], AbstractContextManager[object]] = nullcontext,
) -> VmResult:
    """Boot ``request`` and wait until QEMU ends, for at most ``timeout_s`` of wall time.

    A guest that has written nothing to either file after ``silent_s`` is ended then; None:
    after SILENT_S of its mode.
    The watchers see the console's and the channel's bytes as they appear and may end the
    guest early; ``should_stop`` is asked several times a second (interruption). ``beside`` gets
    QEMU's process id and is held while it runs.
    Raises PrerequisiteError when QEMU is not installed.
    """
    began = time.monotonic()
    silent_s = SILENT_S[request.mode] if silent_s is None else silent_s
    followers = [
        Follower(request.console, on_console, CONSOLE_BYTES),
        Follower(request.channel, on_channel, CHANNEL_BYTES),
    ]
    confined = confinement.of_machine(request.console.parent)
    errors = request.console.with_suffix(".qemu-stderr")
    with (
        errors.open("wb") as stderr,
        proc.start(qemu_argv(request, confined), stderr=stderr) as qemu,
        proc.ended_with_us(qemu),
        beside(qemu.pid),
    ):
        cpus = pinning.choose(request.smp) if pinned(request) else ()
        stopped = watched(
            qemu,
            followers,
            timeout_s=timeout_s,
            silent_s=silent_s,
            should_stop=should_stop,
            also=pinning.Pinner(qemu.pid, cpus).look,
        )
        returncode = qemu.poll()
    return VmResult(
        returncode=returncode,
        stopped="" if returncode is not None else stopped,
        stderr=errors.read_text(errors="replace"),
        seconds=time.monotonic() - began,
    )
