# SPDX-License-Identifier: GPL-2.0-only
"""Instances of ``bench trig-kprobe`` side by side, for workloads that want them."""

import ctypes
import re
import signal
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

from . import bpf, requirements, skeleton
from .workload_api import Context, Terminal, WorkloadFailed

ITERATION = re.compile(
    r"^Iter\s+(?P<iter>\d+)\s+\(\s*(?P<off_us>-?[\d.]+)us\):"
    r"\s+hits\s+(?P<hits>[\d.]+)M/s\s+\(\s*(?P<prod>[\d.]+)M/prod\)"
)
POLL_S = 0.25
HOLD_POLL_S = 0.02
STARTED = "started."
PIN_RACE = "setting affinity to CPU #"
RESTART_LIMIT = 20
ATTACH_LIMIT_S = 600.0
SO_ATTACH_FILTER = 26


def bench_argv(params: Mapping[str, Any], smp: int, instance: int) -> list[str]:
    """Command line of one instance. ``bench -a`` pins its producer to CPU 1."""
    argv = ["bench", f"-w{params['warmup_s']}", f"-d{params['duration_s']}"]
    if params["placement"] == "reference" and smp >= 2:
        argv.append("-a")
    elif params["placement"] == "spread":
        argv += [f"--prod-affinity={instance % smp}", f"--cons-affinity={instance % smp}"]
    return [*argv, "trig-kprobe"]


def iterations(text: str) -> list[float]:
    """Hits per second of each interval that bench printed, in its own unit (10^6/s)."""
    return [float(m["hits"]) for m in map(ITERATION.match, text.splitlines()) if m]


def filter_code(length: int) -> bytes:
    """A classic BPF filter of ``length`` instructions that accepts everything."""
    add, accept = (0x04, 0, 0, 1), (0x06, 0, 0, 0xFFFF)
    return b"".join(struct.pack("HBBI", *i) for i in [add] * (length - 1) + [accept])


class Benches:
    """The instances of a trial, each attached and stopped until ``resume``."""

    def __init__(self) -> None:
        self.instances: list[Terminal] = []
        self._fillers: list[socket.socket] = []
        self._restarts = 0
        self._programs = skeleton.Programs()

    def start(self, ctx: Context) -> None:
        """Start ``instances`` of them, some small filters between; parameters as in
        trig-kprobe. Raises WorkloadFailed and KernelLacks."""
        params = ctx.params
        if params["instances"]:
            requirements.require(requirements.TERMINALS, requirements.KPROBES)
        if params["placement"] not in ("reference", "spread", "none"):
            raise WorkloadFailed(f"placement={params['placement']!r}: not reference, spread, none")
        if params["placement"] == "reference" and ctx.smp < 2:
            ctx.note("one vCPU: bench runs without -a, which pins its producer to CPU 1")
        for instance in range(params["instances"]):
            for _ in range(ctx.rng.randint(0, params["fillers"])):
                self._filler(ctx.rng.randint(1, 64))
            self._start(ctx, instance)
            self._programs_of(ctx, instance)

    def resume(self, ctx: Context) -> None:
        """Let them all run."""
        for running in self.instances:
            running.process.send_signal(signal.SIGCONT)
        if self._restarts:
            ctx.note(
                f"{self._restarts} instances of bench were started again: with -a it ends when its "
                "consumer thread has ended before it is pinned"
            )
            self._restarts = 0

    def warm(self, ctx: Context) -> None:
        """Until each instance has printed the last interval of its warm-up."""
        needed = max(1, ctx.params["warmup_s"])
        deadline = time.monotonic() + ATTACH_LIMIT_S
        told = -1
        while True:
            self.all_alive()
            ready = sum(len(iterations(i.text())) >= needed for i in self.instances)
            if ready == len(self.instances):
                return
            if time.monotonic() > deadline:
                raise WorkloadFailed(
                    f"{ready} of {len(self.instances)} instances warm after {ATTACH_LIMIT_S:g} s"
                )
            if ready != told:
                ctx.progress(f"{ready} of {len(self.instances)} instances warm")
                told = ready
            time.sleep(POLL_S)

    def all_alive(self) -> None:
        """Raises WorkloadFailed with the words of an instance that has ended."""
        for instance, running in enumerate(self.instances):
            status = running.process.poll()
            if status is not None:
                output = " ".join(running.text().split())[-300:]
                raise WorkloadFailed(f"instance {instance} ended with {status}: {output}")

    def report_programs(self, ctx: Context) -> None:
        """Emit how many programs each instance holds, while they still do.

        bench says nothing when it has loaded all; then those in the kernel are all.
        Raises WorkloadFailed when the kernel holds others than bench said.
        """
        if not self.instances:
            return
        try:
            names = [str(program["name"]) for program in bpf.programs()]
            held = skeleton.per_instance(names, len(self.instances))
        except skeleton.Disagreement as error:
            raise WorkloadFailed(str(error)) from error
        total = self._programs.total or held
        if self._programs.left_out and held != self._programs.loaded:
            raise WorkloadFailed(
                f"bench said that it loaded {self._programs.loaded} of {total} programs, "
                f"and the kernel holds {held} of each instance"
            )
        ctx.emit("bench.programs_loaded", held, "program")
        ctx.emit("bench.programs", total, "program")

    def close_fillers(self) -> None:
        """Unload the small filters."""
        for filler in self._fillers:
            filler.close()

    def _start(self, ctx: Context, instance: int) -> None:
        """Start an instance and wait until it is attached."""
        argv = bench_argv(ctx.params, ctx.smp, instance)
        for _ in range(RESTART_LIMIT):
            running = ctx.spawn_on_terminal(argv, self._programs.environment)
            deadline = time.monotonic() + ATTACH_LIMIT_S
            while running.process.poll() is None and STARTED not in running.text():
                if time.monotonic() > deadline:
                    raise WorkloadFailed(
                        f"instance {instance} not attached in {ATTACH_LIMIT_S:g} s"
                    )
                time.sleep(HOLD_POLL_S)
            if running.process.poll() is None or PIN_RACE not in running.text():
                break
            self._restarts += 1
        self.instances.append(running)
        self._hold_when_attached(ctx, instance)

    def _hold_when_attached(self, ctx: Context, instance: int) -> None:
        """Stop an instance that is attached until all are: it would only slow the others."""
        self.all_alive()
        self.instances[instance].process.send_signal(signal.SIGSTOP)
        if (instance + 1) % 10 == 0:
            ctx.progress(f"{instance + 1} instances attached")

    def _programs_of(self, ctx: Context, instance: int) -> None:
        """Note what the first instance left out, and hold the others to the same."""
        try:
            programs = skeleton.parse(self.instances[instance].text())
            if instance:
                skeleton.agree(self._programs, programs, instance)
                return
        except (ValueError, skeleton.Disagreement) as error:
            raise WorkloadFailed(str(error)) from error
        self._programs = programs
        if programs.left_out:
            features = requirements.missing([requirements.BTF, requirements.ERROR_INJECTION])
            options = [requirements.FEATURES[name].options for name in features]
            ctx.note(skeleton.note(programs, options))

    def _filler(self, length: int) -> None:
        code = ctypes.create_string_buffer(filter_code(length))
        program = struct.pack("HxxxxxxP", length, ctypes.addressof(code))
        filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        filler.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        self._fillers.append(filler)
