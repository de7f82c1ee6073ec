# SPDX-License-Identifier: GPL-2.0-only
"""The agent: runs one trial in the guest and tells the host everything about it."""

import importlib.util
import os
import platform
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from . import address_spaces, checks, edges, kernel_symbols, requirements, wire
from .channel import Channel
from .frames import Kind
from .marker import Marker
from .workload_api import Context, Workload, WorkloadFailed

TRIAL = Path("/run/trial/trial.json")
FOLDER = Path("/run/trial/workload")


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


def tell_address_spaces(channel: Channel, marker: Marker) -> None:
    """Let the model read the kernel's record of address spaces, or say why it cannot."""
    try:
        marker.address_spaces(address_spaces.places())
    except address_spaces.NotKnown as error:
        text = f"the model knows address spaces by page table: {error}"
        channel.record(wire.Note(text=text))


def watch_functions(channel: Channel, marker: Marker, watch: str, calls: Sequence[str]) -> None:
    """Let the model count the executions of the workload's operation and of ``calls``."""
    names = [*([watch] if watch else []), *calls]
    if not names:
        return
    addresses, reasons = kernel_symbols.functions(names)
    if watch:
        reason = reasons.get(watch, "")
        channel.record(wire.Watch(symbol=watch, address=addresses[watch], reason=reason))
    if calls:
        channel.record(wire.Calls(addresses={name: addresses[name] for name in calls}))
        unknown = {name: reason for name, reason in reasons.items() if name in calls}
        channel.record(wire.CallsUnknown(reasons=unknown))
    # Two names of one address are one watch.
    for address in dict.fromkeys(a for a in addresses.values() if a is not None):
        marker.watch(address)
    marker.arm()


def trial(channel: Channel) -> None:
    """Run the trial that ``trial.json`` describes."""
    run_first()
    told = checks.parse(TRIAL.read_bytes(), TRIAL.name)
    document = wire.TrialDocument.from_json(told, TRIAL.name)
    marker = Marker()
    channel.record(
        wire.Hello(
            release=platform.release(),
            cpus=os.cpu_count(),
            cmdline=Path("/proc/cmdline").read_text().strip(),
            python=platform.python_version(),
        )
    )
    requirements.check_kernel(document.pti)
    if document.calls:  # the model is there
        tell_address_spaces(channel, marker)
    watch_functions(channel, marker, document.watch, document.calls)
    ctx = Context(channel, document, FOLDER, marker)
    workload = load_workload(FOLDER, document.module)
    traces = document.traces
    edges.start(traces)
    edges.sample(channel, marker, "baseline", traces)
    try:
        ctx.progress("setting up")
        workload.setup(ctx)
        ctx.progress("warming up")
        workload.warm(ctx)
        edges.sample(channel, marker, "open", traces)
        ctx.progress(wire.MEASURING)
        began = time.monotonic_ns()
        marker.open(wire.MEASURED)
        workload.measure(ctx)
        marker.close(wire.MEASURED)
        ended = time.monotonic_ns()
        measured = wire.Window(number=wire.MEASURED, label="measured", ns=ended - began)
        channel.record(wire.Windows(windows=(measured,)))
        edges.sample(channel, marker, "close", traces)
        ctx.progress("tearing down")
        workload.teardown(ctx)
    finally:
        ctx.stop_children()
    edges.sample(channel, marker, "end", traces)


def main() -> None:
    """Run, and always say how it ended."""
    channel = Channel()
    done = wire.Done(status="ok")
    try:
        trial(channel)
    except requirements.KernelLacks as error:
        done = failed("kernel", str(error))
    except Exception as error:
        ours = not isinstance(error, WorkloadFailed | wire.WireError)
        done = failed("agent" if ours else "workload", f"{type(error).__name__}: {error}")
        channel.text(Kind.FILE, "traceback", traceback.format_exc())
    channel.done(done)
    channel.close()


def failed(kind: str, reason: str) -> wire.Done:
    """The end of a trial that failed, whatever characters ``reason`` has."""
    return wire.Done(status="failed", kind=kind, reason=reason.encode(errors="replace").decode())


main()
