# SPDX-License-Identifier: GPL-2.0-only
"""Processes whose walks are known, run in a real guest: are its address spaces Linux's?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.counters import itlb as reports
from harness.errors import InfrastructureError
from harness.guest.agent import address_spaces
from harness.guest.agent.address_spaces import NotKnown
from harness.itlb import known_processes
from harness.itlb import plugin as itlb
from harness.itlb.known_processes import Kind, ProcessLoop
from harness.itlb.reference import load_profile
from harness.kernel import bootimage
from harness.pipeline.loop_guest import LoopGuest
from harness.scratch import scratch
from harness.targets import trial_files

PROGRAM = Path(itlb.__file__).parent / "guest" / "process_loops.c"
_SWITCH = re.compile(r"^process_loops: switch_mm_irqs_off at ([0-9a-f]{16})\s*$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class ProcessCheck:
    """One loop over processes on one profile."""

    profile: str
    pti: str
    kind: str
    processes: int
    page: str  # own: those that the processes call; kernel: that of the code that switches
    expected: int
    counted: int

    @property
    def exact(self) -> bool:
        return self.counted == self.expected


def contexts_offset(image: Path) -> int:
    """Offset of ``ctxs`` in the kernel's ``struct tlb_state``.

    Raises NotKnown when the image does not say.
    """
    with scratch() as folder:
        vmlinux = bootimage.unpack(bootimage.inspect(image), folder)
    btf = bootimage.find_btf(vmlinux) if vmlinux else None
    if btf is None:
        raise NotKnown("the kernel has no BTF: build it with CONFIG_DEBUG_INFO_BTF=y")
    return address_spaces.contexts_offset(btf)


def loops_file(loops: Sequence[ProcessLoop], offset: int) -> bytes:
    """What the guest's program reads: where contexts are, then a line for each window."""
    lines = [f"contexts {offset}"]
    lines += [
        f"{window} {loop.kind.value} {loop.processes} {known_processes.PAGES} "
        f"{known_processes.WARM} {known_processes.ROUNDS} {known_processes.BASE:x}"
        for window, loop in enumerate(loops, 1)
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def walks_of(report: reports.Report, window: int, processes: int) -> int:
    """Walks of the pages that ``processes`` call, in one window."""
    begin = known_processes.BASE
    end = begin + (processes * known_processes.PAGES << 12)
    (one,) = (w for w in report.windows if w.id == window)
    return sum(site.walks for site in one.sites if begin <= int(site.address, 16) < end)


def kernel_walks_of(report: reports.Report, window: int, address: int) -> int | None:
    """Walks of the 2 MB page of the kernel's text that has ``address``, in one window.

    None where the kernel has small pages there: how many of them are walked is not known.
    """
    (one,) = (w for w in report.windows if w.id == window)
    sites = [s for s in one.sites if int(s.address, 16) >> 21 == address >> 21]
    return sum(s.walks for s in sites) if all(s.page == "2m" for s in sites) else None


def switch_address(console: str) -> int:
    """Address of the code that switches, as the program prints it.

    Raises InfrastructureError when it did not.
    """
    match = _SWITCH.search(console)
    if not match:
        raise InfrastructureError(
            "the guest's program did not say where switch_mm_irqs_off is",
            "try `execmem-bench shell` with this kernel",
        )
    return int(match[1], 16)


def check(guest: LoopGuest, offset: int, work: Path) -> list[ProcessCheck]:
    """Every loop in one boot; ``offset`` is that of the kernel's contexts.

    Without the kernel's page where the kernel's text is on small pages.

    Raises InfrastructureError when they did not run.
    """
    report = guest.report(loops_file(known_processes.LOOPS, offset), work)
    switch = switch_address((work / trial_files.CONSOLE).read_text(errors="replace"))
    geometry = load_profile(itlb.profile_path(guest.profile))
    checks, of_kernel = [], []
    for window, loop in enumerate(known_processes.LOOPS, 1):
        expected = known_processes.walks(geometry, guest.pti == "on", loop)
        own = ProcessCheck(
            profile=guest.profile,
            pti=guest.pti,
            kind=loop.kind.value,
            processes=loop.processes,
            page="own",
            expected=expected.own,
            counted=walks_of(report, window, loop.processes),
        )
        checks.append(own)
        if loop.kind is Kind.STAY:
            counted = kernel_walks_of(report, window, switch)
            of_kernel.append((replace(own, page="kernel", expected=expected.kernel), counted))
    if all(counted is not None for _, counted in of_kernel):
        checks += [
            replace(one, counted=counted) for one, counted in of_kernel if counted is not None
        ]
    return checks
