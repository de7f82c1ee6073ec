# SPDX-License-Identifier: GPL-2.0-only
"""Programs loaded and unloaded from several threads, a set number of times."""

import json
import os
import time
from typing import Any

from agent import synthetic
from agent.workload_api import Context, WorkloadFailed

KINDS = ("load", "unload", "attach", "detach")
QUANTILES = ("p50", "p90", "p99", "max")
WARM_LOADS = 64


def churn_argv(params: dict[str, Any], seed: int, loads: int) -> list[str]:
    return ["churn", str(params["threads"]), str(loads), str(params["kept"]), str(seed)]


def parse(text: str) -> dict[str, Any]:
    """What churn printed. Raises WorkloadFailed when it is not that, or loads failed."""
    try:
        totals: dict[str, Any] = json.loads(text)
        failed, error = int(totals["failed"]), str(totals["error"])
    except (ValueError, KeyError, TypeError) as problem:
        raise WorkloadFailed(f"churn printed {text[:200]!r}") from problem
    if failed:
        raise WorkloadFailed(f"{failed} of {totals['loads']} programs did not load: {error}")
    return totals


class Workload:
    def setup(self, ctx: Context) -> None:
        least_values = {"loads": 0, "threads": 1, "kept": 1, "population": 0, "probe": 0}
        for name, least in least_values.items():
            if ctx.params[name] < least:
                raise WorkloadFailed(f"{name}={ctx.params[name]}: {least} or more")
        self._held: list[int] = []
        for number in range(ctx.params["population"]):
            try:
                self._held.append(synthetic.load(ctx.rng))
            except OSError as error:
                raise WorkloadFailed(f"program {number} of the population: {error}") from error

    def warm(self, ctx: Context) -> None:
        """Once, so that caches of the kernel and the program's own pages are there."""
        if ctx.params["loads"]:
            parse(ctx.run(churn_argv(ctx.params, ctx.seed + 1_000_000, WARM_LOADS)))
        time.sleep(ctx.params["settle_s"])
        if ctx.params["loads"] and ctx.params["probe"]:
            self._probe(ctx)

    def _probe(self, ctx: Context) -> None:
        """Load programs one after the other, then unload them all, each in a window of its own:
        kernel instructions by their number are what a load and an unload take."""
        held: list[int] = []
        with ctx.window("probe-load"):
            for number in range(ctx.params["probe"]):
                try:
                    held.append(synthetic.load(ctx.rng))
                except OSError as error:
                    raise WorkloadFailed(f"program {number} of the probe: {error}") from error
        with ctx.window("probe-unload"):
            for program in held:
                os.close(program)
            time.sleep(ctx.params["settle_s"])
        ctx.emit("load.probe", len(held), "program")

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
