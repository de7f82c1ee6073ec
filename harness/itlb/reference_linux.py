# SPDX-License-Identifier: GPL-2.0-only
"""What Linux does to the TLBs of a machine with PCIDs, and what a guest without them shows of it.

Written from the kernel's side (arch/x86/mm/tlb.c of 6.1 and 7.3), not from the model in C: each
CPU has six contexts, hands them out in turn, flushes one that is behind when it is used again,
and dooms all others when a kernel page is flushed under page-table isolation. The buffers are
those of ``reference``. Beside it stands what the same kernel does on a machine without PCIDs,
which is all that the model in C is fed, in the language of ``recorder.c``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.itlb.reference import Model
from harness.itlb.reference_buffers import IN_TABLES, SIZES

CONTEXTS = 6
USER_HALF = 0x1000


@dataclass
class Process:
    """An address space: its context id, its page table, and how many flushes it has asked for."""

    number: int
    table: int
    generation: int = 1


@dataclass
class Context:
    """A PCID pair of one CPU: whose entries it may hold, and up to which flush they are right."""

    number: int = 0  # of the process, 0: nobody's
    generation: int = 0
    user_flush: bool = False  # the user half is flushed when it is next entered


@dataclass
class Cpu:
    """A CPU. ``shown`` are the lines of the trace."""

    number: int
    model: Model
    isolation: bool
    loaded: Process
    shown: list[str]
    host_page: str = "2m"
    contexts: list[Context] = field(default_factory=lambda: [Context() for _ in range(CONTEXTS)])
    current: int = 0
    following: int = 1
    in_user: bool = False
    invalidate_other: bool = False
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys("lswx", 0))
    walks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SIZES, 0))

    def __post_init__(self) -> None:
        self._take(0)
        self.shown.append(f"v {self.number:x}\n")
        self._show_context()
        self._show_cr3()

    def _take(self, index: int) -> None:
        self.current = index
        self.contexts[index] = Context(self.loaded.number, self.loaded.generation)

    @property
    def tag(self) -> int:
        """Of the half that is in use."""
        return 2 * self.current + (self.in_user and self.isolation)

    def _show_context(self) -> None:
        """What a kernel without PCIDs has in its only context."""
        context = self.contexts[self.current]
        self.shown.append(f"g {self.number:x} {context.number:x} {context.generation:x}\n")

    def _show_cr3(self) -> None:
        half = USER_HALF if self.in_user and self.isolation else 0
        self.shown.append(f"c {self.number:x} {self.loaded.table | half:x}\n")
        self.model.select(self.tag)

    def _flush_current(self) -> None:
        self.model.flush_tag(2 * self.current)
        self.contexts[self.current].user_flush = True

    def switch(self, process: Process) -> None:
        """The scheduler goes on with ``process``."""
        self.to_kernel()
        if process is self.loaded:
            return
        self._show_context()
        if self.invalidate_other:
            for index, context in enumerate(self.contexts):
                if index != self.current:
                    context.number = 0
            self.invalidate_other = False
        self.loaded = process
        known = [c for c in range(CONTEXTS) if self.contexts[c].number == process.number]
        if known:
            self.current = known[0]
            if self.contexts[self.current].generation < process.generation:
                self._take(self.current)
                self._flush_current()
        else:
            index = self.following % CONTEXTS
            self.following = index + 1
            self._take(index)
            self._flush_current()
        shown = Context(process.number, process.generation)
        self.shown.append(f"g {self.number:x} {shown.number:x} {shown.generation:x}\n")
        self._show_cr3()

    def to_user(self) -> None:
        """Return to the program."""
        if self.in_user:
            return
        self.in_user = True
        if self.contexts[self.current].user_flush:
            self.model.flush_tag(2 * self.current + 1)
            self.contexts[self.current].user_flush = False
        if self.isolation:
            self._show_cr3()

    def to_kernel(self) -> None:
        """A system call or an interrupt."""
        if not self.in_user:
            return
        self.in_user = False
        if self.isolation:
            self._show_context()
            self._show_cr3()

    def flush(self, process: Process, pages: Sequence[int]) -> None:
        """Catch up with the flush that ``process`` has just asked for; no ``pages``: of all."""
        if self.loaded is not process:
            return  # when it is switched to, its generation tells
        self.to_kernel()
        for page in pages:
            self._flush_page(page)
        if not pages:
            self._flush_current()
            self._show_cr3()
        self.contexts[self.current].generation = process.generation

    def flush_kernel(self, page: int) -> None:
        """A kernel page is unmapped, or its protection changes."""
        self.to_kernel()
        self._flush_page(page)
        self.invalidate_other |= self.isolation

    def _flush_page(self, page: int) -> None:
        self.model.flush_page(page, 2 * self.current)
        self.model.flush_page(page, 2 * self.current + 1)
        self.shown.append(f"i {self.number:x} {page:x}\n")

    def fetch(self, address: int, size: str, is_global: bool) -> None:
        """An instruction of the page at ``address`` is fetched."""
        held = "4k" if self.host_page == "4k" else size
        answer = self.model.fetch(address, self.tag, held, is_global, IN_TABLES[size])
        self.counts[answer] += 1
        if answer == "w":
            self.walks[held] += 1
        kind = SIZES.index(size)
        self.shown.append(f"f {self.number:x} {address:x} {kind:x} {int(is_global):x}\n")


@dataclass
class Machine:
    """CPUs and processes. A page table that is freed is the next one to be used again."""

    profile: dict[str, Any]
    isolation: bool
    host_page: str = "2m"
    cpus: list[Cpu] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    free: list[int] = field(default_factory=list)
    born: int = 0

    def start(self, cpus: int) -> None:
        """The first process on every CPU."""
        first = self.fork()
        for number in range(cpus):
            model = Model(self.profile)
            cpu = Cpu(number, model, self.isolation, first, self.shown, self.host_page)
            self.cpus.append(cpu)

    def fork(self) -> Process:
        """A new address space."""
        self.born += 1
        table = self.free.pop() if self.free else 0x1000000 + 0x2000 * self.born
        process = Process(self.born, table)
        self.processes.append(process)
        return process

    def end(self, process: Process, heir: Process) -> None:
        """``process`` ends, or executes another program as ``heir``."""
        for cpu in self.cpus:
            if cpu.loaded is process:
                cpu.switch(heir)
        self.processes.remove(process)
        self.free.append(process.table)

    def flush(self, process: Process, pages: Sequence[int] = ()) -> None:
        """``process`` unmaps ``pages``, or much more: no pages."""
        process.generation += 1
        for cpu in self.cpus:
            cpu.flush(process, pages)

    def flush_kernel(self, page: int) -> None:
        """A kernel page is flushed on every CPU."""
        for cpu in self.cpus:
            cpu.flush_kernel(page)
