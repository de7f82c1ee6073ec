# SPDX-License-Identifier: GPL-2.0-only
"""Names of events as they were asked for, and as they come back."""

import re
from collections.abc import Iterable, Sequence

from .rows import Row

_DECORATION = re.compile(r"(\s*\[[^\]]*\]|:[a-zA-Z]+)+$")
_PMU = re.compile(r"^[\w-]+/(?P<inside>[^/]*)/[a-zA-Z]*$")


def normalised(event: str) -> str:
    """The event's name without what perf adds: ``:u``, ``[pmu]``, ``cpu_core/.../``, ``name=``.

    Names are never cut short: the 4k and the 2m_4m event differ in their last letters.
    """
    bare = _DECORATION.sub("", event.strip())
    match = _PMU.match(bare)
    if match:
        inside = match["inside"]
        named = [w.removeprefix("name=") for w in inside.split(",") if w.startswith("name=")]
        if named:
            return named[0]
        if inside and "=" not in inside and "," not in inside:
            return inside
    return bare


def matched(rows: Iterable[Row], requested: Sequence[str]) -> tuple[tuple[Row, ...], ...]:
    """The rows of each of the ``requested`` events, in that order.

    By order and normalised name, within each aggregate, interval and cgroup: an event that
    was asked for twice gets a row each time; one that comes back once per PMU
    (``cpu_core``, ``cpu_atom``) gets them all. An event without a row has an empty tuple.
    """
    wanted = [normalised(event).casefold() for event in requested]
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        key = (row.interval, row.summary, row.aggregate, row.cgroup)
        groups.setdefault(key, []).append(row)
    by_event: list[list[Row]] = [[] for _ in requested]
    for group in groups.values():
        for rows_of, chosen in zip(by_event, _chosen(group, wanted), strict=True):
            rows_of += chosen
    return tuple(tuple(rows) for rows in by_event)


def _chosen(group: Sequence[Row], wanted: Sequence[str]) -> list[list[Row]]:
    """The rows of one aggregate for each of the ``wanted`` names."""
    left = [(normalised(row.event).casefold(), row) for row in group]
    chosen: list[list[Row]] = []
    for i, name in enumerate(wanted):
        asked_again = name in wanted[i + 1 :]
        taken: list[Row] = []
        for other, row in left:
            # The same event of the same PMU once more is not what was asked for.
            if other == name and row.event not in {row.event for row in taken}:
                taken.append(row)
                if asked_again:
                    break
        left = [(other, row) for other, row in left if row not in taken]
        chosen.append(taken)
    return chosen
