# SPDX-License-Identifier: GPL-2.0-only
"""vCPUs, each on a core of its own: where the hardware measures, a thread that moves takes
another core's TLB, and two on one core share it."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

CPUS = "/sys/devices/system/cpu"
_VCPU = re.compile(r"CPU (\d+)/(?:KVM|TCG)")
"""Names of QEMU's vCPU threads with debug-threads=on."""


def read(path: str) -> str:
    """A file's text; "" where it cannot be read."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def numbers(text: str) -> tuple[int, ...]:
    """The numbers of a list as the kernel writes it: ``0,4-6``."""
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal() and (not last or last.isdecimal()):
            found += range(int(first), int(last or first) + 1)
    return tuple(found)


def choose(
    vcpus: int, allowed: Iterable[int] | None = None, text: Callable[[str], str] = read
) -> tuple[int, ...]:
    """A CPU for each of ``vcpus``, no two of one core, isolated ones first; () where there are
    not as many cores.

    ``allowed``: CPUs that may be used; None: those of this process and the isolated ones.
    """
    isolated = numbers(text(f"{CPUS}/isolated"))
    usable = sorted(set(os.sched_getaffinity(0) if allowed is None else allowed) | set(isolated))
    chosen: list[int] = []
    taken: set[int] = set()
    for cpu in sorted(usable, key=lambda cpu: (cpu not in isolated, cpu)):
        siblings = numbers(text(f"{CPUS}/cpu{cpu}/topology/thread_siblings_list")) or (cpu,)
        if not taken.intersection(siblings):
            chosen.append(cpu)
            taken.update(siblings)
    return tuple(chosen[:vcpus]) if len(chosen) >= vcpus else ()


def told(vcpus: int) -> str:
    """Where ``vcpus`` run on this machine, for a manifest."""
    cpus = choose(vcpus)
    return ",".join(map(str, cpus)) if cpus else f"not pinned: fewer than {vcpus} cores"


def vcpu_threads(pid: int) -> dict[int, int]:
    """vCPU -> its thread's id, of those that QEMU, the process ``pid``, has by now."""
    try:
        tasks = sorted(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return {}  # it has ended
    named = ((_VCPU.fullmatch(read(f"{task}/comm")), task) for task in tasks)
    return {int(match[1]): int(task.name) for match, task in named if match}


class Pinner:
    """Puts the vCPU threads of a QEMU on ``cpus``, as they come."""

    def __init__(self, pid: int, cpus: tuple[int, ...]) -> None:
        self._pid = pid
        self._cpus = cpus
        self._left = set(range(len(cpus)))

    def look(self) -> None:
        """Pin the threads that are there and not pinned yet."""
        if not self._left:
            return
        for vcpu, thread in vcpu_threads(self._pid).items():
            if vcpu in self._left:
                try:
                    os.sched_setaffinity(thread, {self._cpus[vcpu]})
                except OSError:
                    continue  # it has ended, or the CPU is not ours to use
                self._left.discard(vcpu)
