# SPDX-License-Identifier: GPL-2.0-only
"""Two real trials: ``trig-kprobe``, 8 instances, two vCPUs, pti=on, exact mode, Linux 6.1.192."""

import gzip
from functools import cache

from harness.counters.readings import RawTrial
from harness.guest import protocol
from harness.tests.golden import DATA

VARIANTS = ("upstream", "bpf_prog_pack")


@cache
def trial(variant: str) -> RawTrial:
    """What the guest and the plugin of one of ``VARIANTS`` gave."""
    folder = DATA / "counters" / "trials" / variant
    output = protocol.parse(gzip.decompress((folder / "channel.out.gz").read_bytes()))
    return RawTrial(
        files=output.files,
        absent=output.absent,
        records=output.records,
        report=gzip.decompress((folder / "itlb.json.gz").read_bytes()),
    )
