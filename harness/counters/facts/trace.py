# SPDX-License-Identifier: GPL-2.0-only
"""Histograms of tracefs: ``hist:keys=reason`` on the event ``tlb:tlb_flush``."""

import re

from harness.errors import DataError

# enum tlb_flush_reason of include/linux/mm_types.h, named as include/trace/events/tlb.h
# prints it; the last one is of newer kernels.
REASONS = (
    "flush_on_task_switch",
    "remote_shootdown",
    "local_shootdown",
    "local_mm_shootdown",
    "remote_send_ipi",
    "remote_wrong_cpu",
)
NEWER_REASON = REASONS[-1]

_ENTRY = re.compile(r"^\{ reason:\s*(\d+) *\} hitcount:\s*(\d+)$")
_TOTALS = re.compile(r"^\s*(Hits|Entries|Dropped): (\d+)$")


def tlb_flush(text: str) -> dict[str, int]:
    """Flushes by reason, every reason that the kernel knows of up to the highest it hit.

    Raises DataError, with the line, for anything but such a histogram, for one that lost
    hits, and for one whose entries do not add up.
    """
    by_reason: dict[str, int] = {}
    totals: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        entry, total = _ENTRY.match(line.strip()), _TOTALS.match(line)
        if entry:
            reason = int(entry[1])
            if reason >= len(REASONS):
                raise DataError(f"line {number} has a reason that is not known: {line[:60]!r}")
            by_reason[REASONS[reason]] = int(entry[2])
        elif total:
            totals[total[1]] = int(total[2])
        elif line.strip() and not line.startswith("#") and line.strip() != "Totals:":
            raise DataError(f"line {number} is of no histogram by reason: {line[:60]!r}")
    if "Hits" not in totals:
        raise DataError("it has no totals: cut short, or no histogram")
    if totals.get("Dropped"):
        raise DataError(f"the kernel dropped {totals['Dropped']} hits")
    if sum(by_reason.values()) != totals["Hits"]:
        raise DataError(
            f"reasons add up to {sum(by_reason.values())}, not to {totals['Hits']} hits"
        )
    # A reason without an entry was not hit: the histogram holds every one that was.
    return dict.fromkeys(REASONS[:-1], 0) | by_reason
