# SPDX-License-Identifier: GPL-2.0-only
"""Trials on the kernel that is running: the guest's root file system as a root of its own, in
namespaces of its own, and the machine as it was when the trial has ended."""

import time
from dataclasses import dataclass
from pathlib import Path

from harness import proc, tunables
from harness.image import guest_layers as image
from harness.targets import trial_files
from harness.targets.local import left_over
from harness.targets.local.kernel_log import KernelLog
from harness.targets.root_layers import layers
from harness.targets.target import Ended, Payload
from harness.targets.watched import (
    CHANNEL_BYTES,
    CONSOLE_BYTES,
    Follower,
    channel_watcher,
    watched,
)

SETTINGS = image.AGENT / "settings"
"""What the guest's first program sets: a value and a file in each line."""
STATE = tunables.FOLDER / "local.json"
JIT = "/proc/sys/net/core/bpf_jit_enable"
START_S = 60.0
"""The first line comes at once."""
NAMESPACES = ("--mount", "--pid", "--net", "--uts", "--ipc")
"""Devices of the network, mounts and processes of a trial end with it."""


def settings() -> dict[str, str]:
    """What a trial sets on the machine, by file, until its end."""
    lines = (line.partition(" ") for line in SETTINGS.read_text().splitlines())
    return {path: value for value, _, path in lines}


def argv(root: Path) -> list[str]:
    """The command that runs the trial whose root file system is in ``root``.

    Programs are where they would be without randomisation, as in the guests (norandmaps).
    """
    return [
        "unshare",
        *NAMESPACES,
        "--fork",
        "--kill-child=KILL",
        *("setarch", "x86_64", "--addr-no-randomize"),
        *("chroot", str(root)),
        *("/bin/busybox", "sh", f"/{image.AGENT_PLACE}/agent/local"),
    ]


@dataclass(frozen=True, kw_only=True)
class LocalTarget:
    """Runs the trial on this machine. ``state`` keeps what its settings were."""

    state: Path = STATE

    def run(self, payload: Payload) -> Ended:
        """Run the trial and put the machine back. What a killed run left is put back first.

        Raises InfrastructureError where a setting cannot be changed or put back, OSError for a
        full disk.
        """
        tunables.put_back(self.state)
        root = payload.work / "root"
        unpack(payload, root)
        before = left_over.now(payload)
        try:
            tunables.put({p: v for p, v in settings().items() if Path(p).exists()}, self.state)
            return self._run(payload, root)
        finally:
            left_over.remove(before, left_over.now(payload))
            tunables.put_back(self.state)

    def _run(self, payload: Payload, root: Path) -> Ended:
        began = time.monotonic()
        jit = Path(JIT)
        if jit.exists():
            (root / "run/trial/bpf_jit_enable").write_text(jit.read_text())
        channel = root / "run/trial/channel"
        channel.touch()
        console, errors = payload.work / trial_files.CONSOLE, payload.work / "stderr"
        log = KernelLog()
        with (
            console.open("wb") as out,
            errors.open("wb") as err,
            proc.start(argv(root), stdout=out, stderr=err) as trial,
        ):
            stopped = watched(
                trial,
                [
                    Follower(console, lambda _: None, CONSOLE_BYTES),
                    Follower(channel, channel_watcher(payload.on_progress), CHANNEL_BYTES),
                ],
                timeout_s=payload.timeout_s,
                silent_s=START_S,
                should_stop=payload.should_stop,
            )
            returncode = trial.poll()
        stderr = errors.read_text(errors="replace")
        return Ended(
            console=console.read_bytes() + stderr.encode() + log.since(),
            channel=channel.read_bytes(),
            returncode=returncode,
            stopped="" if returncode is not None else stopped,
            stderr=stderr,
            seconds=time.monotonic() - began,
        )


def unpack(payload: Payload, root: Path) -> None:
    """The root file system of the trial in the folder ``root``, which is made.

    Raises CommandError, OSError.
    """
    root.mkdir()
    for layer in layers(payload):
        proc.run(
            ["cpio", "--extract", "--make-directories", "--unconditional", "--quiet",
             "--no-absolute-filenames", "--directory", str(root), "--file", str(layer.path)]
        )  # fmt: skip
