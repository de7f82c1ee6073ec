# SPDX-License-Identifier: GPL-2.0-only
"""The PMU events of the reference table, and which reading each becomes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event as perf is asked for it. ``name`` is what it is called in its output."""

    name: str
    reading: str
    ask: str


REFERENCE = (
    # perf's generic event: walks caused or completed, by part (see ITLB events in README).
    Event(name="iTLB-load-misses", reading="iTLB-load-misses", ask="iTLB-load-misses"),
    # Raw encodings, since a guest's perf may lack the vendor's tables: event 0x85, umasks
    # 0x02 and 0x04, Intel Haswell to Ice Lake (Intel's perfmon event lists).
    Event(
        name="itlb_misses.walk_completed_4k",
        reading="itlb.walk_completed_4k",
        ask="cpu/event=0x85,umask=0x02,name=itlb_misses.walk_completed_4k/",
    ),
    Event(
        name="itlb_misses.walk_completed_2m_4m",
        reading="itlb.walk_completed_2m_4m",
        ask="cpu/event=0x85,umask=0x04,name=itlb_misses.walk_completed_2m_4m/",
    ),
)
"""The three events of the 2022 reference table."""

# Counted beside them by the kernel itself: says that perf works where no PMU does.
SOFTWARE = (Event(name="context-switches", reading="context_switches", ask="context-switches"),)

EVENTS = (*REFERENCE, *SOFTWARE)
