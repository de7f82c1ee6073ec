# SPDX-License-Identifier: GPL-2.0-only
"""A machine whose target gives back a captured trial: whole runs, without QEMU.

A stand-in: what it proves is what the pipeline makes of what a target gives it.
"""

import os
import signal
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.config import definitions
from harness.doctor import Use
from harness.image.guest_layers import Layer
from harness.itlb.plugin import Plugin
from harness.kernel import Kernel
from harness.model.records import KernelIdentity
from harness.pipeline import Progress, RunOutcome, RunRequest, run
from harness.pipeline.frozen import Frozen
from harness.pipeline.machine import Machine
from harness.pipeline.prepare import Prepared
from harness.targets.qemu.accel import Accelerator
from harness.targets.recorded import RecordedTarget
from harness.targets.target import INTERRUPTED, Ended, Payload, Target
from harness.tests.golden import DATA
from harness.tests.unit.captured_trials import SNAPSHOTS
from harness.tests.unit.test_guest_wire import SENT

CAPTURED = DATA / "counters" / "trials" / SNAPSHOTS
CONSOLE = (DATA / "trial" / "console.log").read_bytes()
WINDOWS = ("windows", SENT["windows"])
SEEDS = (1, 2, 3)
Change = Callable[[Ended], Ended]


@dataclass(frozen=True)
class Altered:
    """The captured trial, but for the seeds in ``changes``; ``seen`` are the payloads."""

    recorded: RecordedTarget
    changes: dict[int, Change]
    seen: list[Payload]

    def run(self, payload: Payload) -> Ended:
        self.seen.append(payload)
        ended = self.recorded.run(payload)
        change = self.changes.get(payload.spec.seed)
        return change(ended) if change else ended


def prepared(
    kernels: str | None, frozen: Frozen, progress: Progress, *, model: bool, **_: Any
) -> Prepared:
    """What is made ready for a run, of nothing: no target of these tests boots it."""
    names = (kernels or "upstream").split(",")
    return Prepared(
        frozen=frozen,
        kernels={
            name: Kernel(
                identity=KernelIdentity(
                    name=name, image_sha256=name, boot=definitions.variants()[name].boot
                ),
                title=name,
                image=Path("/nowhere"),
                variant=definitions.variants()[name],
            )
            for name in names
        },
        bench=None,
        selftests=None,
        layers={"base": Layer(name="base", path=Path("/nowhere"), sha256="")},
        plugin=Plugin(path=Path("/nowhere"), sha256="plugin") if model else None,
        programs={},
    )


def machine(target: Target, kvm: bool = False, host: bool = False) -> Machine:
    """``kvm``: guests run under it; ``host``: their counting on the host works as well."""
    return Machine(
        target=target,
        prepare=prepared,
        probe=lambda uses: Accelerator(
            works=kvm and (host or Use.HOST not in uses), reason="as the test has it"
        ),
        lock=Path(tempfile.gettempdir()) / f"execmem-bench-test-{os.getpid()}",
        version=lambda: "QEMU of a test",
    )


def started(
    captured: Path, out: Path, changes: dict[int, Change] | None = None, **request: Any
) -> RunOutcome:
    target = Altered(RecordedTarget(folder=captured), changes or {}, [])
    asked = {"suite": "smoke", "kernels": "upstream", "seeds": SEEDS, "jobs": 1, "out": out}
    return run(RunRequest(**{**asked, **request}), Progress(quiet=True), machine(target))


def with_console(line: str) -> Change:
    """A guest whose console has ``line`` and that sends nothing."""
    return lambda ended: replace(ended, console=CONSOLE + line.encode() + b"\n", channel=b"")


def interrupted(ended: Ended) -> Ended:
    """The user presses Ctrl-C in that trial, which runs in a thread of the run's."""
    assert threading.current_thread() is not threading.main_thread()
    os.kill(os.getpid(), signal.SIGINT)
    return replace(ended, returncode=None, stopped=INTERRUPTED)


def more_instructions(ended: Ended) -> Ended:
    """The model counts more instructions, which no check of its own can notice."""
    assert ended.report is not None
    counted = b'"insns_kernel": '
    return replace(ended, report=ended.report.replace(counted, counted + b"1"))
