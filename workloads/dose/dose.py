# SPDX-License-Identifier: GPL-2.0-only
"""More and more BPF programs on one system call that several processes make all the time."""

import ctypes
import fcntl
import os
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from agent import bpf, requirements, synthetic
from agent.workload_api import Context, WorkloadFailed

NR_PERF_EVENT_OPEN = 298  # x86_64
KPROBE_TYPE = Path("/sys/bus/event_source/devices/kprobe/type")
KPROBE_PROGRAM = 2  # of enum bpf_prog_type
IOC_SET_BPF = 0x40042408  # of include/uapi/linux/perf_event.h
PROBED = "__x64_sys_getpgid"
MOST = 5000
"""Programs: as many perf events are open then, and files."""

_libc = ctypes.CDLL(None, use_errno=True)


def doses(programs: int) -> Iterator[int]:
    """1, 2, 5, 10, 20, 50 ... up to ``programs``, which is the last."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= programs:
                yield programs
                return
            yield factor * power
        power *= 10


def attribute(kind: int, name: int) -> bytes:
    """A struct perf_event_attr of the kprobe device ``kind``: the entry of the function whose
    name is at the address ``name``."""
    return struct.pack("<IIQQQQQIIQQ", kind, 72, 0, 1, 0, 0, 0, 0, 0, name, 0)


def probe(kind: int, program_fd: int) -> int:
    """A probe of its own on the function, with the program; its file. Raises WorkloadFailed."""
    name = ctypes.create_string_buffer(PROBED.encode())
    attr = ctypes.create_string_buffer(attribute(kind, ctypes.addressof(name)))
    fd: int = _libc.syscall(NR_PERF_EVENT_OPEN, attr, -1, 0, -1, 0)
    if fd < 0:
        raise WorkloadFailed(f"no probe on {PROBED}: {os.strerror(ctypes.get_errno())}")
    try:
        fcntl.ioctl(fd, IOC_SET_BPF, program_fd)
    except OSError as error:
        raise WorkloadFailed(f"a program does not go on the probe: {error}") from error
    return fd


def load(rng: Random) -> int:
    """A program as large as one of the published fleet. Raises WorkloadFailed."""
    length = 2 + synthetic.jited_bytes(rng) // synthetic.BYTES_PER_INSN
    try:
        loaded: int = bpf.load(KPROBE_PROGRAM, synthetic.program(length))
    except OSError as error:
        raise WorkloadFailed(f"a program did not load: {error}") from error
    return loaded


class Workload:
    def __init__(self) -> None:
        self._callers: list[subprocess.Popen[bytes]] = []
        self._files: list[int] = []  # programs and probes
        self._on = 0

    def setup(self, ctx: Context) -> None:
        requirements.require(requirements.KPROBES)
        params = ctx.params
        if not 1 <= params["programs"] <= MOST or not 1 <= params["callers"] <= 256:
            raise WorkloadFailed(f"programs is 1 to {MOST}, callers 1 to 256")
        for number in range(params["callers"]):
            argv = ["caller", str(number % ctx.smp)]
            self._callers.append(ctx.spawn(argv, Path(f"/tmp/caller-{number}")))

    def warm(self, ctx: Context) -> None:
        """A cycle for each dose but the window's."""
        kind = int(KPROBE_TYPE.read_text())
        for cycle, dose in enumerate(doses(ctx.params["programs"])):
            self._signal(signal.SIGSTOP)  # they would only slow the loading
            while self._on < dose:
                self._files += [program := load(ctx.rng), probe(kind, program)]
                self._on += 1
            self._signal(signal.SIGCONT)
            time.sleep(ctx.params["warmup_s"])
            with ctx.cycle(cycle):
                time.sleep(ctx.params["cycle_s"])
            labels = {"cycle": str(cycle)}
            held = [p for p in bpf.programs() if p["type"] == KPROBE_PROGRAM]
            if len(held) != dose:
                raise WorkloadFailed(f"the kernel holds {len(held)} programs, not {dose}")
            ctx.emit("dose.programs", dose, "program", labels)
            text = sum(int(str(p["jited_len"])) for p in held)
            ctx.emit("dose.text_bytes", text, "byte", labels)
            ctx.progress(f"{dose} programs")

    def _signal(self, number: signal.Signals) -> None:
        for caller in self._callers:
            if caller.poll() is not None:
                raise WorkloadFailed(f"a caller ended with {caller.returncode}")
            caller.send_signal(number)

    def measure(self, ctx: Context) -> None:
        ctx.wait(ctx.params["cycle_s"])

    def teardown(self, ctx: Context) -> None:
        ctx.stop_children()
        for fd in reversed(self._files):
            os.close(fd)
