# SPDX-License-Identifier: GPL-2.0-only
"""The QEMU command line and the kernel's, from pure functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.itlb.plugin import QEMU
from harness.model.trial_settings import Mode
from harness.targets.qemu.confinement import UNCONFINED, Confinement

RTC_BASE = "2026-01-01T00:00:00"
"""The guest's clock at power-on: fixed, since file times and random seeds follow from it."""

CPU_TCG = "max,la57=off"
"""4-level paging: what the parts of the reference figures have. `max` turns LA57 on."""


@dataclass(frozen=True, kw_only=True)
class VmRequest:
    """One boot. ``console`` and ``channel`` are files that QEMU writes (ttyS0, ttyS1)."""

    kernel: Path
    initrd: Path
    mode: Mode
    smp: int
    memory_mib: int
    seed: int
    pti: str  # "on" | "off"
    console: Path
    channel: Path
    plugin: str | None = None  # argument of -plugin
    append: tuple[str, ...] = ()  # more words for the kernel's command line
    interactive: bool = False  # ttyS0 on the terminal instead of in the console file
    numa_nodes: int = 1
    kaslr: bool = False  # a kernel without CONFIG_RANDOMIZE_BASE stays where it is


def pinned(request: VmRequest) -> bool:
    """Whether each vCPU gets a core of its own: not in exact mode, where they share a thread."""
    return request.mode is not Mode.EXACT and not request.interactive


def kernel_command_line(request: VmRequest) -> str:
    """The words the guest kernel is booted with.

    An oops panics and a panic ends the guest at once (with -no-reboot), so that neither
    is ever waited for. Where the kernel randomises its addresses (``kaslr``), the numbers
    that it draws follow from the seed. Those of user programs never move. Kernels built for
    fewer ports at run time than they could have are told to make both (four is the default).
    """
    words = ["console=ttyS0", "panic=-1", "oops=panic", "nmi_watchdog=0", "8250.nr_uarts=4"]
    words += [] if request.kaslr else ["nokaslr"]
    words += ["norandmaps", "pti=on" if request.pti == "on" else "nopti"]
    return " ".join([*words, *request.append])


def qemu_argv(request: VmRequest, confined: Confinement = UNCONFINED) -> list[str]:
    """The QEMU command line. No disk, no network, no host folder; nothing is sent in."""
    return [
        QEMU,
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        *confined.words,
        "-display",
        "none",
        "-machine",
        "q35",
        *_cpu(request),
        # Names for the vCPUs' threads, by which they are pinned.
        *(["-name", "execmem-bench,debug-threads=on"] if pinned(request) else []),
        "-smp",
        str(request.smp),
        "-m",
        str(request.memory_mib),
        *_memory(request),
        "-seed",
        str(request.seed),
        "-kernel",
        str(request.kernel),
        "-initrd",
        str(request.initrd),
        "-append",
        kernel_command_line(request),
        *_serial(request),
        *(["-plugin", request.plugin] if request.plugin else []),
    ]


def _memory(request: VmRequest) -> Sequence[str]:
    """Memory in one piece, or a share of it for each NUMA node; QEMU shares out the vCPUs.

    Nothing is reserved: a guest may have more than the host, as long as it does not touch it.
    """
    if request.numa_nodes == 1:
        return ["-machine", "memory-backend=memory", *_backend("memory", request.memory_mib)]
    words: list[str] = []
    share, rest = divmod(request.memory_mib, request.numa_nodes)
    for node in range(request.numa_nodes):
        words += _backend(f"node{node}", share + (rest if node == 0 else 0))
        words += ["-numa", f"node,nodeid={node},memdev=node{node}"]
    return words


def _backend(name: str, mib: int) -> Sequence[str]:
    return ["-object", f"memory-backend-ram,id={name},size={mib}M,reserve=off"]


def _cpu(request: VmRequest) -> Sequence[str]:
    clock = ["-rtc", f"clock=vm,base={RTC_BASE}"]
    if request.mode is Mode.EXACT:
        return [
            "-accel",
            "tcg,thread=single",
            "-icount",
            "shift=0,sleep=off",
            *clock,
            "-cpu",
            CPU_TCG,
        ]
    if request.mode is Mode.FAST:
        return ["-accel", "tcg,thread=multi", *clock, "-cpu", CPU_TCG]
    return ["-accel", "kvm", "-cpu", "host,pmu=on"]


def _serial(request: VmRequest) -> Sequence[str]:
    console = "mon:stdio" if request.interactive else f"file:{request.console}"
    return ["-serial", console, "-serial", f"file:{request.channel}"]
