# SPDX-License-Identifier: GPL-2.0-only
"""The guest that runs known-answer loops: one static program as init."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.counters import itlb as reports
from harness.errors import InfrastructureError
from harness.image import cpio
from harness.itlb import known_answers
from harness.itlb import plugin as itlb
from harness.itlb.known_answers import Loop
from harness.model.trial_settings import Mode
from harness.targets import trial_files
from harness.targets.qemu.argv import VmRequest
from harness.targets.qemu.session import boot

PROGRAM = Path(itlb.__file__).parent / "guest" / "page_loops.c"
WARM = 20
"""Rounds before the window: more than any profile needs to come to a steady state."""
ROUNDS = 10
MEMORY_MIB = 768
TIMEOUT_S = 600.0

Windows = Mapping[int, Loop]
"""Number of the window -> the loop that runs in it."""


class AskedEvent(Protocol):
    """An event as perf_event_open(2) takes it."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> int: ...
    @property
    def config(self) -> int: ...


def loops_file(windows: Windows, asked: Iterable[AskedEvent] = ()) -> bytes:
    """What the guest's program reads: events, then a line for each window."""
    lines = [f"event {event.name} {event.type} {event.config:x}" for event in asked]
    lines += [
        f"{window} {loop.page_size} {loop.pages} {loop.stride} {WARM} {ROUNDS} "
        f"{known_answers.BASE:x}"
        for window, loop in sorted(windows.items())
    ]
    return "".join(f"{line}\n" for line in lines).encode()


@dataclass(frozen=True, kw_only=True)
class LoopGuest:
    """A kernel, the program, and one way of running the model."""

    image: Path
    plugin: Path
    program: Path
    profile: str
    pti: str
    source: Path = PROGRAM
    """What ``program`` was made of; it begins its lines with that name."""

    def run(self, windows: Windows, work: Path) -> reports.Report:
        """The model's report of the loops. Raises InfrastructureError when they did not run."""
        return self.report(loops_file(windows), work)

    def report(self, loops: bytes, work: Path) -> reports.Report:
        """The same of what ``loops`` tells the program to run."""
        report = work / trial_files.REPORT
        report.unlink(missing_ok=True)
        told = {"pcid": "tagged", "pti": self.pti}
        option = itlb.plugin_option(self.plugin, report, itlb.profile_path(self.profile), told)
        self._boot(loops, work, Mode.EXACT, option)
        if not report.exists() or not report.stat().st_size:
            raise InfrastructureError("the model wrote no report", "run it again with --profile")
        return reports.decode(report.read_bytes())

    def run_under_perf(
        self, windows: Windows, asked: Iterable[AskedEvent], work: Path, mode: Mode = Mode.KVM
    ) -> str:
        """What the program printed. Raises InfrastructureError when the loops did not run."""
        return self._boot(loops_file(windows, asked), work, mode, None)

    def _boot(self, loops: bytes, work: Path, mode: Mode, plugin: str | None) -> str:
        with (work / "initrd").open("wb") as out:
            init = cpio.Entry(name="init", mode=0o100755, source=self.program)
            cpio.write([init, cpio.directory("proc"), cpio.regular("loops", loops)], out)
        ended = boot(
            VmRequest(
                kernel=self.image,
                initrd=work / "initrd",
                mode=mode,
                smp=1,
                memory_mib=MEMORY_MIB,
                seed=1,
                pti=self.pti,
                console=work / trial_files.CONSOLE,
                channel=work / trial_files.CHANNEL,
                plugin=plugin,
            ),
            timeout_s=TIMEOUT_S,
        )
        console = (work / trial_files.CONSOLE).read_text(errors="replace")
        name = self.source.stem
        if f"{name}: done" not in console:
            message = next((x for x in console.splitlines() if x.startswith(f"{name}:")), "")
            last = (ended.stderr.strip() or console.strip()).splitlines()[-1:]
            why = message or ended.stopped or " ".join(last)
            raise InfrastructureError(
                f"the loops did not run on {self.profile}: {why}",
                "try `execmem-bench shell` with this kernel",
            )
        return console
