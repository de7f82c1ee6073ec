# SPDX-License-Identifier: GPL-2.0-only
"""Cycles of BPF churn, module traffic and memory pressure; a co-runner after each."""

import os
import re
import subprocess
import time
from pathlib import Path
from random import Random

from agent import module_files, synthetic
from agent.workload_api import CYCLES, Context, WorkloadFailed

NOT_LOADED = ("test_", "tcrypt")  # modules that run tests when they are loaded
WALKED = re.compile(r"^calls (\d+) nanoseconds (\d+)$")
PRESS_LIMIT_S = 600.0
OUTPUT = Path("/tmp")


def load(rng: Random) -> int:
    """A program of a random type and size; its file descriptor. Raises WorkloadFailed."""
    try:
        loaded: int = synthetic.load(rng)
    except OSError as error:
        raise WorkloadFailed(f"a program did not load: {error}") from error
    return loaded


def available_mib(meminfo: str) -> int:
    """MemAvailable of /proc/meminfo, in MiB. Raises WorkloadFailed without one."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", meminfo, re.MULTILINE)
    if not match:
        raise WorkloadFailed("/proc/meminfo has no MemAvailable")
    return int(match[1]) >> 10


def module_names() -> list[str]:
    """Modules of the running kernel, but those that test; none on a kernel without modules."""
    names = module_files.names(module_files.folder())
    return [name for name in names if not name.startswith(NOT_LOADED)]


class Workload:
    def setup(self, ctx: Context) -> None:
        params = ctx.params
        if not 1 <= params["cycles"] < CYCLES:
            raise WorkloadFailed(f"cycles={params['cycles']}: 1 to {CYCLES - 1}")
        if params["kept"] < 1 or not 0 <= params["pressure_percent"] <= 90:
            raise WorkloadFailed("kept is 1 or more, pressure_percent 0 to 90")
        self._modules = module_names()
        if params["modules"] and not self._modules:
            ctx.note("this kernel has no modules: the cycles are without them")
        self._present: list[str] = []
        self._population = [load(ctx.rng) for _ in range(params["population"])]
        self._presser: subprocess.Popen[bytes] | None = None
        self._cycle(ctx, 0)
        for number in range(1, params["cycles"] + 1):
            self._age(ctx, number)
            self._cycle(ctx, number)
            ctx.progress(f"cycle {number} of {params['cycles']}")

    def warm(self, ctx: Context) -> None:
        """The last cycle's co-runner has warmed the caches."""

    def measure(self, ctx: Context) -> None:
        """The co-runner once more, in the aged system."""
        ctx.run_measured(self._walk_argv(ctx))

    def teardown(self, ctx: Context) -> None:
        for program_fd in self._population:
            os.close(program_fd)
        self._relieve()
        self._modprobe("-r", self._present)
        time.sleep(ctx.params["settle_s"])

    def _cycle(self, ctx: Context, number: int) -> None:
        time.sleep(ctx.params["settle_s"])
        with ctx.cycle(number):
            text = ctx.run(self._walk_argv(ctx))
        walked = WALKED.match(text.strip())
        if not walked:
            raise WorkloadFailed(f"the co-runner printed {text[:200]!r}")
        rate = int(walked[1]) * 1e9 / int(walked[2])
        ctx.emit("corunner.rate", round(rate), "call/s", {"cycle": str(number)})

    def _walk_argv(self, ctx: Context) -> list[str]:
        return ["age", "walk", str(ctx.params["hot_pages"]), str(ctx.params["rounds"]), "1"]

    def _age(self, ctx: Context, number: int) -> None:
        params, rng = ctx.params, ctx.rng
        kept: list[int] = []
        for _ in range(params["loads"]):
            if len(kept) >= params["kept"]:
                os.close(kept.pop(rng.randrange(len(kept))))
            kept.append(load(rng))
            if rng.randrange(params["loads"]) < params["population"] // 4:
                at = rng.randrange(len(self._population))
                os.close(self._population[at])
                self._population[at] = load(rng)
        self._traffic(ctx)
        self._press(ctx, number)
        for program_fd in kept:
            os.close(program_fd)

    def _traffic(self, ctx: Context) -> None:
        if not self._modules:
            return
        leaving = ctx.rng.sample(self._present, len(self._present) // 2)
        self._modprobe("-r", leaving)
        absent = [name for name in self._modules if name not in self._present]
        coming = ctx.rng.sample(absent, min(ctx.params["modules"], len(absent)))
        self._modprobe("", coming)
        loaded = {line.split()[0] for line in Path("/proc/modules").read_text().splitlines()}
        self._present = [name for name in self._modules if name in loaded]

    def _modprobe(self, option: str, names: list[str]) -> None:
        """One by one: a module that is in use, or has no device here, does not stop the rest."""
        for name in names:
            words = ["modprobe", "-q", *([option] if option else []), name]
            subprocess.run(words, stderr=subprocess.DEVNULL, check=False)

    def _press(self, ctx: Context, number: int) -> None:
        """The last cycle's pages go once this cycle's are taken, so that they lie elsewhere."""
        before = self._presser
        share = ctx.params["pressure_percent"]
        mib = available_mib(Path("/proc/meminfo").read_text()) * share // 100
        self._presser = None
        if mib:
            output = OUTPUT / f"press-{number}"
            self._presser = ctx.spawn(["age", "press", str(mib)], output)
            deadline = time.monotonic() + PRESS_LIMIT_S
            while "pressed" not in output.read_text():
                if self._presser.poll() is not None or time.monotonic() > deadline:
                    raise WorkloadFailed(f"memory pressure of {mib} MiB: {output.read_text()!r}")
                time.sleep(0.02)
        if before is not None:
            before.kill()
            before.wait()

    def _relieve(self) -> None:
        if self._presser is not None:
            self._presser.kill()
            self._presser.wait()
