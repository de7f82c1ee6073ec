# SPDX-License-Identifier: GPL-2.0-only
"""What is sampled at the edges of a trial. Raw: the host parses it."""

import json
from collections.abc import Callable

from . import bpf
from .frames import Channel

FILES = {
    "proc/vmstat": "/proc/vmstat",
    "proc/meminfo": "/proc/meminfo",
    "proc/interrupts": "/proc/interrupts",
    "proc/slabinfo": "/proc/slabinfo",
    "proc/vmallocinfo": "/proc/vmallocinfo",
    "execmem/stats": "/sys/kernel/debug/execmem/stats",
}
PAGE_TABLES = ("kernel_page_tables", "/sys/kernel/debug/page_tables/kernel")

IMAGE_SYMBOLS = frozenset({"_text", "_stext", "_etext", "_end", "__start_rodata", "_sinittext"})
"""Symbols of the kernel image that bound its text."""


def sample(channel: Channel, edge: str) -> None:
    """Send every source as ``<edge>/<source>``; one that cannot be read as ``absent``."""
    for name, path in (*FILES.items(), PAGE_TABLES):
        _send_file(channel, f"{edge}/{name}", path)
    _send(channel, f"{edge}/kallsyms_text", text_symbols)
    _send(channel, f"{edge}/bpf_progs.json", lambda: json.dumps(bpf.programs()).encode())


def _send_file(channel: Channel, name: str, path: str) -> None:
    def read() -> bytes:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()

    _send(channel, name, read)


def _send(channel: Channel, name: str, read: Callable[[], bytes]) -> None:
    try:
        data = read()
    except OSError as error:
        channel.text("absent", name, f"{error.filename or name}: {error.strerror}")
        return
    channel.send("file", name, data)


def text_symbols(path: str = "/proc/kallsyms") -> bytes:
    """The lines of /proc/kallsyms outside the kernel image, and those that bound it."""
    kept = []
    with open(path, "rb") as file:  # noqa: PTH123
        for line in file:
            if b"[" in line or line.split(None, 3)[2].decode() in IMAGE_SYMBOLS:
                kept.append(line)
    return b"".join(kept)


def symbol_address(name: str, path: str = "/proc/kallsyms") -> int | None:
    """Address of the kernel symbol ``name``; None when there is none or it is hidden."""
    wanted = name.encode()
    with open(path, "rb") as file:  # noqa: PTH123
        for line in file:
            fields = line.split()
            if fields[2] == wanted:
                return int(fields[0], 16) or None
    return None
