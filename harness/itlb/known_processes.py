# SPDX-License-Identifier: GPL-2.0-only
"""Processes that take turns on one CPU, each calling pages of its own: walks known beforehand.

``guest/process_loops.c`` runs them. The pages are few and far apart, so what is walked follows
from the address spaces alone: an entry is there until its context is taken over, its slot is
flushed, or its tag is given up. Counts are those of ``reference_linux``, the kernel's side of it.
Beside the processes' own pages stands one of the kernel's, that of the code that switches between
them: global without page-table isolation, and an entry for each address space with it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.itlb.reference_linux import Cpu, Machine, Process

BASE = (1 << 45) + (32 << 12)
"""Address of the first page; what else the guest executes leaves the sets from here on room."""
PAGES = 4
"""Of each process."""
WARM = 24
"""Turns before the window: every context was given out more than once."""
ROUNDS = 60
"""Turns in the window: a multiple of six, and of how many others there are."""
KERNEL_PAGE = 0xFFFFFFFF81000000
"""Address of a 2 MB page of the kernel's text; which one does not matter."""


class Kind(StrEnum):
    """What one process in turn does in each round before it calls its pages."""

    STAY = "stay"
    EXEC = "exec"  # it executes another program, so that its address space is a new one
    FORK = "fork"  # it ends, and its child waits at the end of the line


@dataclass(frozen=True, kw_only=True)
class ProcessLoop:
    """So many processes of one kind."""

    kind: Kind
    processes: int


LOOPS = (
    *(ProcessLoop(kind=Kind.STAY, processes=n) for n in range(1, 9)),
    *(ProcessLoop(kind=Kind.EXEC, processes=n) for n in (2, 3, 4, 7)),
    *(ProcessLoop(kind=Kind.FORK, processes=n) for n in (3, 4, 7)),
)
"""Those whose counts do not depend on which context was given out when they began."""


@dataclass(frozen=True, kw_only=True)
class Walks:
    """Walks in the window."""

    own: int
    """Of the pages that the processes call."""
    kernel: int
    """Of the kernel's page. What exec and fork do to it is not followed: known of ``STAY`` only."""


def walks(geometry: dict[str, Any], isolation: bool, loop: ProcessLoop, phase: int = 0) -> Walks:
    """Walks of the loop on the CPU of ``geometry``.

    ``phase``: contexts given out before the first process; in :data:`LOOPS` it does not matter.
    """
    machine = Machine(geometry, isolation)
    machine.start(1)
    (cpu,) = machine.cpus
    cpu.following += phase
    kernel = machine.fork()
    line = [(0, machine.processes[0])]
    line += [(number, machine.fork()) for number in range(1, loop.processes)]
    before = dict(cpu.walks)
    for number in range(1, WARM + ROUNDS + 1):
        if number == WARM + 1:
            before = dict(cpu.walks)
        leaving = number % (loop.processes - 1) + 1 if loop.kind is not Kind.STAY else None
        line = _round(machine, line, loop.kind, leaving, kernel)
    return Walks(own=cpu.walks["4k"] - before["4k"], kernel=cpu.walks["2m"] - before["2m"])


Line = list[tuple[int, Process]]
"""Numbers and address spaces of the processes, in the order in which they wait."""


def _round(machine: Machine, line: Line, kind: Kind, leaving: int | None, kernel: Process) -> Line:
    """Everybody's turn once; the line after it.

    Who ends unmaps what it has while its address space is still loaded, lazily: there Linux
    goes over to that of the kernel itself (flush_tlb_func() in arch/x86/mm/tlb.c).
    """
    (cpu,) = machine.cpus
    after: Line = []
    for number, process in line:
        cpu.switch(process)
        _fetch_kernel(cpu)
        current = process
        if number == leaving:
            current = machine.fork()
            if kind is Kind.FORK:
                machine.flush(process)  # what it has is to be copied when it is written
                after.append((number, current))
                machine.end(process, kernel)
                continue
            machine.end(process, current)
        cpu.to_user()
        for page in range(PAGES):
            cpu.fetch(BASE + ((number * PAGES + page) << 12), "4k", is_global=False)
        cpu.to_kernel()
        _fetch_kernel(cpu)
        after.append((number, current))
    return after


def _fetch_kernel(cpu: Cpu) -> None:
    cpu.fetch(KERNEL_PAGE, "2m", is_global=not cpu.isolation)
