# SPDX-License-Identifier: GPL-2.0-only
"""The agent: runs one trial in the guest and tells the host everything about it."""

import importlib.util
import json
import os
import platform
import sys
import time
import traceback
from pathlib import Path

from . import edges, kernel_symbols, requirements
from .frames import Channel
from .marker import Marker
from .workload_api import Context, Workload, WorkloadFailed

TRIAL = Path("/run/trial/trial.json")
FOLDER = Path("/run/trial/workload")
WINDOW = 1


def load_workload(folder: Path, module: str) -> Workload:
    """An instance of the class Workload in ``folder``/``module``, which may import what else
    is in the folder."""
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location("workload", folder / module)
    if spec is None or spec.loader is None:
        raise WorkloadFailed(f"{module} is not a Python file")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    workload: Workload = loaded.Workload()
    return workload


def run_first() -> None:
    """Let the agent run before any load, so that what it samples is of one moment.

    What it starts does not inherit this.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError as error:
        raise RuntimeError(f"SCHED_FIFO: {error.strerror}") from error


def watch_functions(channel: Channel, marker: Marker, watch: str, calls: list[str]) -> None:
    """Let the model count the executions of the workload's operation and of ``calls``."""
    names = [*([watch] if watch else []), *calls]
    if not names:
        return
    addresses, reasons = kernel_symbols.functions(names)
    if watch:
        one = {"symbol": watch, "address": addresses[watch], "reason": reasons.get(watch, "")}
        channel.record("watch", one)
    if calls:
        channel.record("calls", {name: addresses[name] for name in calls})
        channel.record("calls_unknown", {n: r for n, r in reasons.items() if n in calls})
    # Two names of one address are one watch.
    for address in dict.fromkeys(a for a in addresses.values() if a is not None):
        marker.watch(address)
    marker.arm()


def trial(channel: Channel) -> None:
    """Run the trial that ``trial.json`` describes."""
    run_first()
    document = json.loads(TRIAL.read_text())
    marker = Marker()
    channel.record(
        "hello",
        {
            "release": platform.release(),
            "cpus": os.cpu_count(),
            "cmdline": Path("/proc/cmdline").read_text().strip(),
            "python": platform.python_version(),
        },
    )
    requirements.check_kernel(document["spec"]["pti"])
    workload_spec = document["workload"]
    watch_functions(channel, marker, workload_spec["watch"], document.get("calls", []))
    ctx = Context(channel, document, FOLDER, marker)
    workload = load_workload(FOLDER, workload_spec["module"])
    traces = workload_spec.get("traces", [])
    edges.start(traces)
    edges.sample(channel, marker, "baseline", traces)
    try:
        ctx.progress("setting up")
        workload.setup(ctx)
        ctx.progress("warming up")
        workload.warm(ctx)
        edges.sample(channel, marker, "open", traces)
        ctx.progress("measuring")
        began = time.monotonic_ns()
        marker.open(WINDOW)
        workload.measure(ctx)
        marker.close(WINDOW)
        ended = time.monotonic_ns()
        channel.record("windows", {str(WINDOW): {"label": "measured", "ns": ended - began}})
        edges.sample(channel, marker, "close", traces)
        ctx.progress("tearing down")
        workload.teardown(ctx)
    finally:
        ctx.stop_children()
    edges.sample(channel, marker, "end", traces)


def main() -> None:
    """Run, and always say how it ended."""
    channel = Channel()
    done = {"status": "ok", "reason": ""}
    try:
        trial(channel)
    except requirements.KernelLacks as error:
        done = {"status": "failed", "kind": "kernel", "reason": str(error)}
    except Exception as error:
        kind = "workload" if isinstance(error, WorkloadFailed) else "agent"
        done = {"status": "failed", "kind": kind, "reason": f"{type(error).__name__}: {error}"}
        channel.text("file", "traceback", traceback.format_exc())
    channel.send("done", "done", json.dumps(done).encode())
    channel.close()


main()
