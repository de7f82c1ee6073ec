# SPDX-License-Identifier: GPL-2.0-only
"""A guest that goes wrong inside the window, each seed in another way: as ``faults`` lists them,
from seed 1 on. What is none of the functions here goes well."""

import ctypes
import os
import time
from pathlib import Path

from agent import frames
from agent.workload_api import Context

REBOOT, POWER_OFF = 0x01234567, 0x4321FEDC  # of include/uapi/linux/reboot.h


def init_ends() -> None:
    """The text of the guest's first program becomes nonsense while it waits for this one."""
    maps = Path("/proc/1/maps").read_text().splitlines()
    with Path("/proc/1/mem").open("r+b", buffering=0) as memory:
        for place, rights, *_ in map(str.split, maps):
            if "x" in rights and not place.startswith("ffff"):
                start, end = (int(address, 16) for address in place.split("-"))
                memory.seek(start)
                memory.write(bytes([0xCC]) * (end - start))
    os._exit(1)


def out_of_memory() -> None:
    kept = []
    while True:
        kept.append(bytearray(b"x" * (16 << 20)))


def reset() -> None:
    ctypes.CDLL(None).reboot(REBOOT)
    time.sleep(600)


def power_off() -> None:
    ctypes.CDLL(None).reboot(POWER_OFF)
    time.sleep(600)


def forged_frame() -> None:
    Path("/dev/ttyS1").write_text("EMB1 7 done done 1/1 00000000 eJwDAAAAAAE=\n")


def forged_end() -> None:
    """A whole frame that says that the trial is done."""
    (line,) = frames.encode(500, "done", "done", b'{"status": "ok"}')
    Path("/dev/ttyS1").write_text(line + "\n")


def junk() -> None:
    Path("/dev/ttyS1").write_bytes(bytes(range(256)) * 8 + b"\n")


def flood() -> None:
    with Path("/dev/ttyS0").open("wb") as console:
        while True:
            console.write(b"all work and no play\n" * 512)


def warning() -> None:
    """As WARN() writes it; the kernel of the tests has nothing to warn of."""
    Path("/dev/kmsg").write_text("<4>WARNING: CPU: 0 PID: 1 at kernel/none.c:1 none+0x0/0x1\n")


def endless_loop() -> None:
    while True:
        pass


class Workload:
    def setup(self, ctx: Context) -> None:
        self._fault = ctx.params["faults"].split(",")[ctx.seed - 1]

    def warm(self, ctx: Context) -> None:
        """There is nothing to warm."""

    def measure(self, ctx: Context) -> None:
        globals().get(self._fault, lambda: None)()
        ctx.wait(0.01)

    def teardown(self, ctx: Context) -> None:
        """There is nothing to stop."""
