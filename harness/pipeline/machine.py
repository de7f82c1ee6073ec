# SPDX-License-Identifier: GPL-2.0-only
"""What a run takes from the machine that it is on, in one place, so that it can be replaced."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.doctor import Facts, HostFacts, Use, hardware
from harness.itlb.plugin import QEMU
from harness.model.trial_settings import Mode
from harness.pipeline.machine_lock import LOCK
from harness.pipeline.prepare import Prepared, prepare
from harness.store import provenance
from harness.targets.local.local_target import LocalTarget
from harness.targets.qemu.accel import Accelerator
from harness.targets.qemu.qemu_target import QemuTarget
from harness.targets.target import Target


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where trials run, and what is made ready for them. The defaults are the real ones."""

    target: Target = field(default_factory=QemuTarget)
    local: Target = field(default_factory=LocalTarget)  # of the kernel that is running
    facts: Facts = field(default_factory=HostFacts)
    prepare: Callable[..., Prepared] = prepare  # kernels, image layers, plugin
    probe: Callable[[frozenset[Use]], Accelerator] = hardware  # whether KVM can be used for these
    lock: Path = LOCK  # that measurements take
    version: Callable[[], str] = field(default=lambda: provenance.tool_version(QEMU))  # of QEMU
    qemu: Callable[[], str] = field(default=lambda: provenance.program_sha256(QEMU))  # its hash

    def target_of(self, mode: Mode) -> Target:
        """What runs trials of ``mode``."""
        return self.local if mode is Mode.LOCAL else self.target

    def emulator(self, mode: Mode) -> tuple[str, str]:
        """QEMU's version and hash for a manifest; "" where nothing runs in QEMU."""
        return ("", "") if mode is Mode.LOCAL else (self.version(), self.qemu())
