# SPDX-License-Identifier: GPL-2.0-only
"""XDP and tc programs on veth pairs, packets over them, programs replaced meanwhile."""

import os
import re
import struct
import threading
import time
from pathlib import Path
from random import Random
from typing import Any

from agent import bpf, requirements
from agent.synthetic import BYTES_PER_INSN, jited_bytes
from agent.workload_api import Context, WorkloadFailed

SCHED_CLS, XDP = 3, 6  # program types of bpf.h
TC_ACT_OK, XDP_PASS = 0, 2
INGRESS = "ffff:fff2"  # clsact's
NAMESPACE = "peers"
FLOODED = re.compile(r"^packets (\d+) nanoseconds (\d+)$")


def program(verdict: int, instructions: int) -> bytes:
    """r2 = 0, r2 += a constant as often as it takes, then return ``verdict``."""
    start, step = struct.pack("<BBhi", 0xB7, 2, 0, 0), struct.pack("<BBhi", 0x07, 2, 0, 1000)
    result, leave = struct.pack("<BBhi", 0xB7, 0, 0, verdict), struct.pack("<BBhi", 0x95, 0, 0, 0)
    return start + step * max(0, instructions - 3) + result + leave


def load(rng: Random, kind: int, verdict: int) -> int:
    """A program of a random size; its file descriptor. Raises WorkloadFailed."""
    try:
        descriptor: int = bpf.load(kind, program(verdict, jited_bytes(rng) // BYTES_PER_INSN))
    except OSError as error:
        raise WorkloadFailed(f"a program did not load: {error}") from error
    return descriptor


def packets_per_second(text: str) -> float:
    """From what flood printed. Raises WorkloadFailed when it is not that."""
    match = FLOODED.match(text.strip())
    if not match or not int(match[2]):
        raise WorkloadFailed(f"flood printed {text[:200]!r}")
    return int(match[1]) * 1e9 / int(match[2])


class Workload:
    def __init__(self) -> None:
        self._held: list[int] = []
        self._failed = ""
        self._updated = 0

    def setup(self, ctx: Context) -> None:
        from pyroute2 import IPRoute, NetNS, netns  # type: ignore[import-not-found]

        pairs = ctx.params["pairs"]
        if not 1 <= pairs <= 256 or ctx.params["packets"] < 1 or ctx.params["updates"] < 0:
            raise WorkloadFailed("pairs is 1 to 256, packets 1 or more, updates 0 or more")
        Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")
        netns.create(NAMESPACE)
        self._here, self._there = IPRoute(), NetNS(NAMESPACE)
        # The near ends have the programs: a NetNS is a process of its own, without our files.
        self._near: list[int] = []
        for pair in range(pairs):
            with requirements.needing("veth pairs", "CONFIG_VETH=y"):
                self._here.link("add", ifname=f"x{pair}", kind="veth", peer=f"y{pair}")
            (near,) = self._here.link_lookup(ifname=f"x{pair}")
            (far,) = self._here.link_lookup(ifname=f"y{pair}")
            self._here.link("set", index=far, net_ns_fd=NAMESPACE)
            (far,) = self._there.link_lookup(ifname=f"y{pair}")
            self._here.link("set", index=near, state="up", arp=False)
            self._there.link("set", index=far, state="up", arp=False)
            self._near.append(near)
            self._replace(ctx.rng, pair)
            self._classify(ctx.rng, near)
            if (pair + 1) % 8 == 0:
                ctx.progress(f"{pair + 1} pairs with programs")

    def warm(self, ctx: Context) -> None:
        ctx.run(self._flood_argv(ctx, 4 * ctx.params["pairs"]))

    def measure(self, ctx: Context) -> None:
        """The packets, and beside them the updates; both to their end."""
        began = time.monotonic()
        updates = threading.Thread(target=self._update_all, args=(ctx,))
        updates.start()
        self._text = ctx.run_measured(self._flood_argv(ctx, ctx.params["packets"]))
        updates.join()
        self._seconds = time.monotonic() - began
        if self._failed:
            raise WorkloadFailed(self._failed)

    def teardown(self, ctx: Context) -> None:
        ctx.emit("packet.rate", round(packets_per_second(self._text)), "packet/s")
        ctx.emit("xdp.updates", self._updated, "event", {"window": "measured"})
        for near in self._near:
            self._here.link("del", index=near)
        self._there.close()
        self._here.close()
        for descriptor in self._held:
            os.close(descriptor)

    def _flood_argv(self, ctx: Context, packets: int) -> list[str]:
        return ["flood", str(ctx.params["pairs"]), str(packets), f"/var/run/netns/{NAMESPACE}"]

    def _update_all(self, ctx: Context) -> None:
        try:
            for _ in range(ctx.params["updates"]):
                self._replace(ctx.rng, ctx.rng.randrange(ctx.params["pairs"]))
                self._updated += 1
        except Exception as error:
            self._failed = f"update {self._updated} of the XDP programs: {error}"

    def _replace(self, rng: Random, pair: int) -> None:
        """Give a pair's near end another XDP program: the dispatcher is written anew."""
        loaded = load(rng, XDP, XDP_PASS)
        self._here.link("set", index=self._near[pair], xdp_fd=loaded)
        os.close(loaded)  # the device holds it

    def _classify(self, rng: Random, index: int) -> None:
        loaded = load(rng, SCHED_CLS, TC_ACT_OK)
        self._held.append(loaded)
        with requirements.needing("qdisc clsact", "CONFIG_NET_SCH_INGRESS=y"):
            self._here.tc("add", "clsact", index)
        options: dict[str, Any] = {"fd": loaded, "name": "sized", "direct_action": True}
        with requirements.needing("BPF classifier", "CONFIG_NET_CLS_BPF=y"):
            self._here.tc("add-filter", "bpf", index, ":1", parent=INGRESS, classid=1, **options)
