# SPDX-License-Identifier: GPL-2.0-only
"""What is sampled at the edges of a trial. Raw: the host parses it."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from . import bpf
from .channel import Channel
from .frames import Kind
from .marker import Marker

EDGES = ("baseline", "open", "close", "end")

COUNTERS = {
    "proc/vmstat": "/proc/vmstat",
    "proc/interrupts": "/proc/interrupts",
    "proc/stat": "/proc/stat",
}
"""Read right at a snapshot: they count what the model counts as calls."""
FILES = {
    "proc/meminfo": "/proc/meminfo",
    "proc/slabinfo": "/proc/slabinfo",
    "proc/vmallocinfo": "/proc/vmallocinfo",
    "proc/modules": "/proc/modules",
    "execmem/stats": "/sys/kernel/debug/execmem/stats",
}
CYCLE_FILES = {
    "proc/vmstat": "/proc/vmstat",
    "proc/meminfo": "/proc/meminfo",
    "proc/buddyinfo": "/proc/buddyinfo",
    "proc/vmallocinfo": "/proc/vmallocinfo",
    "execmem/stats": "/sys/kernel/debug/execmem/stats",
}
"""Sampled in each cycle of a workload that has cycles."""
PAGE_TABLES = ("kernel_page_tables", "/sys/kernel/debug/page_tables/kernel")

EVENTS = Path("/sys/kernel/tracing/events")
TRACES = {"tlb_flush": ("tlb/tlb_flush", "hist:keys=reason")}
"""What a workload can ask to be traced: the event and its trigger. A traced event runs more
kernel text, which the counters see: hence only where it is asked for."""

IMAGE_SYMBOLS = frozenset({"_text", "_stext", "_etext", "_end", "__start_rodata", "_sinittext"})
"""Symbols of the kernel image that bound its text."""


def start(traces: Sequence[str]) -> None:
    """Begin to trace; a kernel that cannot is told by the file that is then absent or empty.

    Raises ValueError for a trace that is not known.
    """
    for trace in traces:
        if trace not in TRACES:
            raise ValueError(f"trace {trace!r} is not known: {', '.join(TRACES)}")
        event, trigger = TRACES[trace]
        with suppress(OSError):
            (EVENTS / event / "trigger").write_text(trigger)


def sample(channel: Channel, marker: Marker, edge: str, traces: Sequence[str] = ()) -> None:
    """Send every source as ``<edge>/<source>``; one that cannot be read as ``absent``.

    The model takes a snapshot of the page tables before the kernel's own dump of them is
    read, and one after it where there is such a dump: equal ones say that nothing changed
    meanwhile. Nothing is sent before the last of them.
    """
    number = 10 * EDGES.index(edge) + 1
    marker.snapshot(number)
    tables = _read(PAGE_TABLES[1])
    counters = {name: _read(path) for name, path in COUNTERS.items()}
    if isinstance(tables, bytes):
        marker.snapshot(number + 1)
    _send_read(channel, f"{edge}/{PAGE_TABLES[0]}", tables)
    for name, data in counters.items():
        _send_read(channel, f"{edge}/{name}", data)
    for trace in traces:
        _send_file(channel, f"{edge}/tracing/{trace}", str(EVENTS / TRACES[trace][0] / "hist"))
    for name, path in FILES.items():
        _send_file(channel, f"{edge}/{name}", path)
    _send(channel, f"{edge}/kallsyms_text", text_symbols)
    _send(channel, f"{edge}/bpf_progs.json", lambda: json.dumps(bpf.programs()).encode())


def sample_cycle(channel: Channel, number: int) -> None:
    """Send the sources of a cycle as ``cycle-<number>/<source>``."""
    for name, path in CYCLE_FILES.items():
        _send_file(channel, f"cycle-{number}/{name}", path)


def _read(path: str) -> bytes | OSError:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        return error


def _send_file(channel: Channel, name: str, path: str) -> None:
    _send_read(channel, name, _read(path))


def _send(channel: Channel, name: str, read: Callable[[], bytes]) -> None:
    try:
        data: bytes | OSError = read()
    except OSError as error:
        data = error
    _send_read(channel, name, data)


def _send_read(channel: Channel, name: str, data: bytes | OSError) -> None:
    if isinstance(data, OSError):
        channel.text(Kind.ABSENT, name, f"{data.filename or name}: {data.strerror}")
    else:
        channel.send(Kind.FILE, name, data)


def text_symbols(path: str = "/proc/kallsyms") -> bytes:
    """The lines of /proc/kallsyms outside the kernel image, and those that bound it."""
    kept = []
    with open(path, "rb") as file:  # noqa: PTH123
        for line in file:
            if b"[" in line or line.split(None, 3)[2].decode() in IMAGE_SYMBOLS:
                kept.append(line)
    return b"".join(kept)
