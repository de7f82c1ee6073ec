# SPDX-License-Identifier: GPL-2.0-only
"""The published reference table of 2022, as data.

Source: the bpf-next v2 discussion of ``execmem_alloc``, 2022-11-15. Conditions: a 32-core
QEMU VM, 100 parallel ``bench -w2 -d100 -a trig-kprobe``, ``perf stat -a``, figures per
second. Whether page-table isolation was on is not on record. Walks of everything else on that
machine stand in each figure, so what can be compared is how much one build has less than
another; load-misses is not the sum of the walks there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

DATE = "2022-11-15"
CONDITIONS = "32-core QEMU VM, 100 instances, perf stat -a, per second, pti not on record"
WORKLOAD = "trig-kprobe"
BASELINE = "upstream"


@dataclass(frozen=True, kw_only=True)
class ReferenceRow:
    """One event of the table; ``per_second`` by variant, in events per second."""

    event: str  # as perf names it
    readings: tuple[str, ...]  # our reading names for the same event
    per_second: Mapping[str, float]

    def difference(self, variant: str) -> float | None:
        """Events a second more than the table's baseline; None when the table lacks it."""
        value = self.per_second.get(variant)
        return None if value is None else value - self.per_second[BASELINE]


TABLE: tuple[ReferenceRow, ...] = (
    ReferenceRow(
        event="iTLB-load-misses",
        readings=("iTLB-load-misses",),
        per_second={"upstream": 350e3, "bpf_prog_pack": 220e3, "execmem": 185e3},
    ),
    ReferenceRow(
        event="itlb_misses.walk_completed_4k",
        readings=("itlb.walk_completed_4k",),
        per_second={"upstream": 90e3, "bpf_prog_pack": 68e3, "execmem": 58e3},
    ),
    ReferenceRow(
        event="itlb_misses.walk_completed_2m_4m",
        readings=("itlb.walk_completed_2m_4m",),
        per_second={"upstream": 0.1, "bpf_prog_pack": 0.2, "execmem": 1.0},
    ),
)


def row_for(reading: str) -> ReferenceRow | None:
    """The row of the table that stands for the reading ``reading``, if there is one."""
    for row in TABLE:
        if reading == row.event or reading in row.readings:
            return row
    return None
