# SPDX-License-Identifier: GPL-2.0-only
"""What this kernel lacks, by what is missing in the guest, and the options that give it.

Kernels that others built say nothing about their configuration here, so each feature is
looked for where the kernel shows it. All that is missing is told at once.
"""

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import bpf


class KernelLacks(Exception):
    """The kernel cannot run this trial; the text names what it lacks and the remedy."""


@dataclass(frozen=True)
class Feature:
    """Something that a trial can need."""

    title: str
    options: str  # that give it
    paths: tuple[str, ...]  # below the root; the kernel has the feature if one of them exists


JIT = "jit"
KPROBES = "kprobes"
TERMINALS = "terminals"
BTF = "btf"
ERROR_INJECTION = "error_injection"

FEATURES: dict[str, Feature] = {
    JIT: Feature(
        "BPF JIT",
        "CONFIG_BPF_JIT=y (and CONFIG_SYSCTL=y)",
        # The second is from a target whose trials have a network of their own, where the
        # kernel does not show the first.
        ("proc/sys/net/core/bpf_jit_enable", "run/trial/bpf_jit_enable"),
    ),
    KPROBES: Feature(
        "kprobes for perf_event_open(2)",
        "CONFIG_KPROBES=y, CONFIG_PERF_EVENTS=y and CONFIG_KPROBE_EVENTS=y",
        ("sys/bus/event_source/devices/kprobe/type",),
    ),
    TERMINALS: Feature(
        "pseudo-terminals", "CONFIG_TTY=y and CONFIG_UNIX98_PTYS=y", ("dev/pts/ptmx",)
    ),
    BTF: Feature("types of its own", "CONFIG_DEBUG_INFO_BTF=y", ("sys/kernel/btf/vmlinux",)),
    ERROR_INJECTION: Feature(
        "function error injection",
        "CONFIG_FUNCTION_ERROR_INJECTION=y",
        ("sys/kernel/debug/error_injection/list",),
    ),
}
"""Feature -> where it shows. bpf(2) shows nowhere: see ``require_bpf``."""

ISOLATION = "CONFIG_PAGE_TABLE_ISOLATION=y (from 6.9 CONFIG_MITIGATION_PAGE_TABLE_ISOLATION=y)"


def missing(names: Iterable[str], root: Path = Path("/")) -> list[str]:
    """Those of ``names`` that the kernel running on ``root`` lacks."""
    return [n for n in names if not any((root / p).exists() for p in FEATURES[n].paths)]


def sentence(names: Iterable[str]) -> str:
    """What is missing and the remedy, in one line."""
    lacking = [FEATURES[name] for name in names]
    return f"this kernel has no {' and no '.join(f.title for f in lacking)}: build it with " + (
        "; ".join(feature.options for feature in lacking)
    )


def require(*names: str, root: Path = Path("/")) -> None:
    """Raise KernelLacks that tells all of ``names`` that this kernel lacks."""
    if lacking := missing(names, root):
        raise KernelLacks(sentence(lacking))


def require_bpf() -> None:
    """Refuse a kernel that cannot load and JIT BPF programs. Raises KernelLacks."""
    try:
        bpf.programs()
    except OSError as error:
        raise KernelLacks(
            f"this kernel has no bpf(2) ({error.strerror}): "
            "build it with CONFIG_BPF_SYSCALL=y and CONFIG_BPF_JIT=y"
        ) from error
    require(JIT)


def isolates(cpuinfo: str, meltdown: str) -> bool:
    """Whether user and kernel have page tables of their own.

    ``cpuinfo``: /proc/cpuinfo; ``meltdown``: the file of that name below
    /sys/devices/system/cpu/vulnerabilities. A CPU that is not affected isolates all the
    same when it is told to, and only the flag says so.
    """
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    return "pti" in flags.partition(":")[2].split() or "PTI" in meltdown.split()


def check_isolation(asked: str, cpuinfo: str, meltdown: str) -> None:
    """Refuse to measure as pti=``asked`` what is not that. Raises KernelLacks."""
    isolating = isolates(cpuinfo, meltdown)
    shown = f"(meltdown: {meltdown.strip() or 'no such file'})"
    if asked == "on" and not isolating:
        raise KernelLacks(
            f"pti=on was asked for and this kernel does not isolate page tables {shown}: "
            f"build it with {ISOLATION}, or run with --pti off"
        )
    if asked == "off" and isolating:
        raise KernelLacks(
            f"pti=off was asked for and this kernel isolates page tables all the same {shown}: "
            "remove what forces it (CONFIG_CMDLINE, the workload's boot words), "
            "or run with --pti on"
        )


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def check_kernel(pti: str, root: Path = Path("/")) -> None:
    """What every trial needs. Raises KernelLacks.

    ``pti``: what the trial was asked for, "on" or "off".
    """
    require_bpf()
    check_isolation(
        pti,
        _text(root / "proc/cpuinfo"),
        _text(root / "sys/devices/system/cpu/vulnerabilities/meltdown"),
    )


def open_terminal() -> tuple[int, int]:
    """A new pseudo-terminal: our end and the program's. Raises KernelLacks."""
    try:
        return os.openpty()
    except OSError as error:
        lacking = missing([TERMINALS])
        text = sentence(lacking) if lacking else f"no pseudo-terminal: {error.strerror}"
        raise KernelLacks(text) from error


_ABSENT = (errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT, errno.ENOPROTOOPT)


@contextmanager
def needing(title: str, options: str) -> Iterator[None]:
    """Run what only a kernel with ``options`` can do, and that shows nowhere before it is tried.

    Raises KernelLacks for an error that says that there is no such thing; any other goes on.
    """
    try:
        yield
    except Exception as error:
        # pyroute2's NetlinkError is not an OSError and has the number in another place.
        number = getattr(error, "code", None) or getattr(error, "errno", None)
        if number not in _ABSENT:
            raise
        raise KernelLacks(
            f"this kernel has no {title} ({os.strerror(number)}): "
            f"build it with {options}, or give its modules"
        ) from error
