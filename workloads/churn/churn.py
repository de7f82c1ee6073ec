# SPDX-License-Identifier: GPL-2.0-only
"""Programs loaded and unloaded from several threads, a set number of times."""

import json
import os
import struct
import time
from random import Random
from typing import Any

from agent import bpf
from agent.workload_api import Context, WorkloadFailed

KINDS = ("load", "unload", "attach", "detach")
QUANTILES = ("p50", "p90", "p99", "max")
WARM_LOADS = 64
TYPES = (1, 6, 5)  # of bpf.h: socket filter, XDP, tracepoint
ADD = (0x07, 0, 0, 1000)  # r0 += a constant wider than a byte
BYTES_PER_INSN = 7  # of machine code: add $imm32,%rax, as the x86 JIT writes it


def churn_argv(params: dict[str, Any], seed: int, loads: int) -> list[str]:
    return ["churn", str(params["threads"]), str(loads), str(params["kept"]), str(seed)]


def parse(text: str) -> dict[str, Any]:
    """What churn printed. Raises WorkloadFailed when it is not that, or loads failed."""
    try:
        found: dict[str, Any] = json.loads(text)
        failed, error = int(found["failed"]), str(found["error"])
    except (ValueError, KeyError, TypeError) as problem:
        raise WorkloadFailed(f"churn printed {text[:200]!r}") from problem
    if failed:
        raise WorkloadFailed(f"{failed} of {found['loads']} programs did not load: {error}")
    return found


def jited_bytes(rng: Random) -> int:
    """A size as in the published fleet, which churn.c follows as well."""
    quarter = rng.randrange(4)
    if quarter < 2:
        return 64 + rng.randrange(436)
    return 500 + rng.randrange(1500) if quarter == 2 else 2000 + rng.randrange(14000)


def program(instructions: int) -> bytes:
    """r0 = 0, r0 += a constant as often as it takes, exit; 8 bytes each."""
    zero, add, leave = (struct.pack("<BBhi", *i) for i in ((0xB7, 0, 0, 0), ADD, (0x95, 0, 0, 0)))
    return zero + add * (instructions - 2) + leave


class Workload:
    def setup(self, ctx: Context) -> None:
        for name, least in (("loads", 0), ("threads", 1), ("kept", 1), ("population", 0)):
            if ctx.params[name] < least:
                raise WorkloadFailed(f"{name}={ctx.params[name]}: {least} or more")
        self._held: list[int] = []
        for number in range(ctx.params["population"]):
            length = 2 + jited_bytes(ctx.rng) // BYTES_PER_INSN
            try:
                self._held.append(bpf.load(ctx.rng.choice(TYPES), program(length)))
            except OSError as error:
                raise WorkloadFailed(f"program {number} of the population: {error}") from error

    def warm(self, ctx: Context) -> None:
        """Once, so that caches of the kernel and the program's own pages are there."""
        if ctx.params["loads"]:
            parse(ctx.run(churn_argv(ctx.params, ctx.seed + 1_000_000, WARM_LOADS)))
        time.sleep(ctx.params["settle_s"])

    def measure(self, ctx: Context) -> None:
        if not ctx.params["loads"]:
            ctx.wait(ctx.params["settle_s"])
            return
        began = time.monotonic()
        text = ctx.run_measured(churn_argv(ctx.params, ctx.seed, ctx.params["loads"]))
        self._seconds = time.monotonic() - began
        time.sleep(ctx.params["settle_s"])
        self._found = parse(text)

    def teardown(self, ctx: Context) -> None:
        for held in self._held:
            os.close(held)
        if ctx.params["loads"]:
            self._report(ctx)
        time.sleep(ctx.params["settle_s"])

    def _report(self, ctx: Context) -> None:
        ctx.keep("churn.json", json.dumps(self._found).encode())
        ctx.emit("load.count", ctx.params["loads"], "load")
        ctx.emit("load.rate", round(ctx.params["loads"] / self._seconds, 3), "program/s")
        for kind in KINDS:
            for quantile in QUANTILES:
                value = self._found[kind].get(quantile)
                ctx.emit(
                    "load.latency",
                    value,
                    "ns",
                    {"kind": kind, "quantile": quantile},
                    *(("ok",) if value is not None else ("not_counted", f"no {kind} at this seed")),
                )
