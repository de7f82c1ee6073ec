# SPDX-License-Identifier: GPL-2.0-only
"""What a run takes from the machine that it is on, in one place, so that it can be replaced."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.doctor import Use, hardware
from harness.itlb.plugin import QEMU
from harness.pipeline.machine_lock import LOCK
from harness.pipeline.prepare import Prepared, prepare
from harness.store import provenance
from harness.targets.qemu.accel import Accelerator
from harness.targets.qemu.qemu_target import QemuTarget
from harness.targets.target import Target


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where trials run, and what is made ready for them. The defaults are the real ones."""

    target: Target = field(default_factory=QemuTarget)
    prepare: Callable[..., Prepared] = prepare  # kernels, image layers, plugin
    probe: Callable[[frozenset[Use]], Accelerator] = hardware  # whether KVM can be used for these
    lock: Path = LOCK  # that measurements take
    version: Callable[[], str] = field(default=lambda: provenance.tool_version(QEMU))  # of QEMU
