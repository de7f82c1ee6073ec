# SPDX-License-Identifier: GPL-2.0-only
"""Real trials: two vCPUs, pti=on, exact mode, Linux 6.1.192.

``upstream`` and ``bpf_prog_pack`` (the variants): ``trig-kprobe``, 8 instances.
``modules-and-trampolines``: bpf_prog_pack, 6 instances of trig-fentry, trig-kprobe and
trig-fmodret, seven modules loaded.
``snapshots``: upstream, 2 instances of trig-kprobe; the model took snapshots and counted
calls, which the other reports, of schema 1, have not.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from harness.counters.facts import files as files_by_edge
from harness.counters.facts import page_tables, snapshots
from harness.counters.readings import RawTrial
from harness.guest.decoded import decode
from harness.model.specs import TrialSpec
from harness.model.trial_settings import Counters, Mode, Pcid, Pti
from harness.tests.golden import DATA

VARIANTS = ("upstream", "bpf_prog_pack")
MIXED = "modules-and-trampolines"
SNAPSHOTS = "snapshots"


@cache
def trial(name: str) -> RawTrial:
    """What the guest and the plugin of a trial gave."""
    folder = DATA / "trial" if name == "upstream" else DATA / "counters" / "trials" / name
    output = decode(gzip.decompress((folder / "channel.out.gz").read_bytes()))
    report = gzip.decompress((folder / "itlb.json.gz").read_bytes())
    if name != SNAPSHOTS:
        report = report_of(json.loads(report), output.files)
    return RawTrial(decoded=output, report=report)


def changed(raw: RawTrial, **fields: Any) -> RawTrial:
    """``raw`` as if the guest had sent other ``fields`` of Decoded."""
    return replace(raw, decoded=replace(raw.decoded, **fields))


def followed(report: bytes) -> bytes:
    """``report`` as if loads and stores had been followed: they found what the fetches did."""
    found = json.loads(report)
    for window in found["windows"]:
        window["data"] = [
            {k: v for k, v in vcpu.items() if not k.startswith(("insns", "flushes"))}
            for vcpu in window["vcpus"]
        ]
    return json.dumps(found).encode()


def coalesced(report: bytes) -> bytes:
    """``report`` as if the CPU had held all its 4 kB pages as parts of four."""
    document = json.loads(report)
    for window in document["windows"]:
        for vcpu in window["vcpus"]:
            vcpu |= {"walks_4k": 0, "walks_16k": vcpu["walks_4k"]}
        for site in window["sites"]:
            site["page"] = "16k" if site["page"] == "4k" else site["page"]
    return json.dumps(document).encode()


def report_of(recorded: dict[str, Any], files: Mapping[str, bytes]) -> bytes:
    """A report of schema 1 as schema 2 would have it, with snapshots as the kernel's own dumps
    say: for what is made of them. How the model reads page tables is tested in guests."""
    taken = []
    for edge in files_by_edge.EDGES:
        dump = files.get(f"{edge}/kernel_page_tables")
        if dump is None:
            continue
        runs = runs_of(page_tables.parse(dump.decode()))
        for number in (snapshots.first_number(edge), snapshots.second_number(edge)):
            taken.append(snapshot(number, runs, len(recorded["windows"][0]["watch"])))
    watched = [one["address"] for one in recorded["windows"][0]["watch"]]
    for window in recorded["windows"]:
        for one in window["watch"]:
            one["exact"] = True
    return json.dumps(recorded | {"schema": 2, "watched": watched, "snapshots": taken}).encode()


def snapshot(number: int, runs: list[list[Any]], watched: int = 0) -> dict[str, Any]:
    """A whole snapshot, as the plugin writes it."""
    return {
        "id": number,
        "direct_map": "0xffff888000000000",
        "complete": True,
        "reason": "",
        "isolated": True,
        "exact": True,
        "watch": [0] * watched,
        "runs": runs,
    }


def runs_of(tables: page_tables.PageTables) -> list[list[Any]]:
    """What the plugin keeps of page tables."""
    sizes = {level: size for size, level in snapshots.LEVELS.items()}
    kept = []
    for r in tables.ranges:
        direct = r.section == snapshots.DIRECT_MAP
        area = snapshots.IMAGE_START <= r.start < snapshots.MODULES_END
        if direct or area or r.executable:
            flags = zip("wxgd", (r.writable, r.executable, r.is_global, direct), strict=True)
            words = "".join(letter if on else "-" for letter, on in flags)
            kept.append([hex(r.start), r.pages, sizes[r.level], words])
    return kept


def spec(counters: Counters = Counters.MODEL) -> TrialSpec:
    """The spec of the trials, as far as counters need it."""
    return TrialSpec(
        variant="upstream",
        workload="trig-kprobe",
        seed=1,
        pti=Pti.ON,
        mode=Mode.EXACT,
        smp=2,
        counters=counters,
        profile="skylake-sp",
        pcid=Pcid.TAGGED,
        memory_mib=2048,
        params={},
    )
