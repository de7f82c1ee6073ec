# SPDX-License-Identifier: GPL-2.0-only
"""The PMU events of the reference table, and which reading each becomes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event as perf is asked for it, and as it is called in its output."""

    name: str
    reading: str


REFERENCE = (
    # perf's generic event: walks caused or completed, by part (see ITLB events in README).
    Event(name="iTLB-load-misses", reading="iTLB-load-misses"),
    # itlb_misses.walk_completed_{4k,2m_4m}: event 0x85, umasks 0x02 and 0x04 on Intel Haswell
    # to Ice Lake (Intel's perfmon event lists). As raw codes, because a guest's perf may lack
    # the vendor's tables, and because the form cpu/event=.../ is a syntax error where there
    # is no PMU: perf 6.1 then ends with 129 and counts nothing, not even software events.
    Event(name="r0285", reading="itlb.walk_completed_4k"),
    Event(name="r0485", reading="itlb.walk_completed_2m_4m"),
)
"""The three events of the 2022 reference table."""

# Counted beside them by the kernel itself: says that perf works where no PMU does.
SOFTWARE = (Event(name="context-switches", reading="context_switches"),)

EVENTS = (*REFERENCE, *SOFTWARE)
