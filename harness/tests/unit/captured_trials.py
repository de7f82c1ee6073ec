# SPDX-License-Identifier: GPL-2.0-only
"""Real trials: two vCPUs, pti=on, exact mode, Linux 6.1.192.

``upstream`` and ``bpf_prog_pack`` (the variants): ``trig-kprobe``, 8 instances.
``modules-and-trampolines``: bpf_prog_pack, 6 instances of trig-fentry, trig-kprobe and
trig-fmodret, seven modules loaded.
"""

import gzip
from functools import cache

from harness.counters.readings import RawTrial
from harness.guest import protocol
from harness.model import Counters, Mode, TrialSpec
from harness.tests.golden import DATA

VARIANTS = ("upstream", "bpf_prog_pack")
MIXED = "modules-and-trampolines"


@cache
def trial(name: str) -> RawTrial:
    """What the guest and the plugin of a trial gave."""
    folder = DATA / "trial" if name == "upstream" else DATA / "counters" / "trials" / name
    output = protocol.parse(gzip.decompress((folder / "channel.out.gz").read_bytes()))
    return RawTrial(
        files=output.files,
        absent=output.absent,
        records=output.records,
        report=gzip.decompress((folder / "itlb.json.gz").read_bytes()),
    )


def spec(counters: Counters = Counters.MODEL) -> TrialSpec:
    """The spec of the trials, as far as counters need it."""
    return TrialSpec(
        variant="upstream",
        workload="trig-kprobe",
        seed=1,
        pti="on",
        mode=Mode.EXACT,
        smp=2,
        counters=counters,
        profile="skylake-sp",
        pcid="tagged",
        memory_mib=2048,
        params={},
    )
