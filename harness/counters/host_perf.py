# SPDX-License-Identifier: GPL-2.0-only
"""What ``perf stat -I`` counted on the host of a guest, as readings of the guest's window.

The host sees the window open only to a fraction of a second. So only intervals that lie in it
for certain are taken, and what is told is their rate over the whole window: a load that is steady
in it, which the workloads' windows are, is counted right, and no count is called complete.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.counters.events import Event
from harness.counters.perf import all_unknown, requested
from harness.counters.perf_stat_parser import ParseError, Row, State, matched, parse_json
from harness.errors import DataError
from harness.model.reading import Reading, Source, Status, unknown

LATE_S = 0.5
"""How much later than it opened a window may be seen to open: the channel is read every 0.25 s, and
perf begins to count some time after it was started."""


@dataclass(frozen=True, kw_only=True)
class HostCounts:
    """perf's file, and when the window was seen to open, in seconds after perf was started.

    None: it was not asked for, or never seen.
    """

    output: bytes | None = None
    opened_s: float | None = None


def readings(
    counts: HostCounts, label: str, seconds: float, events: Sequence[Event]
) -> tuple[Reading, ...]:
    """Readings of the window ``label``, which took ``seconds``.

    Raises DataError, with the line, for output that cannot be trusted.
    """
    labels = {"window": label, "origin": "all"}

    def none(why: str, status: Status = Status.FAILED) -> tuple[Reading, ...]:
        return all_unknown(events, status, why, labels)

    if not counts.output:
        return none("perf on the host left no output")
    if counts.opened_s is None:
        return none("the host did not see the window open")
    try:
        rows = list(parse_json(counts.output.decode(errors="replace").splitlines()))
    except ParseError as error:
        raise DataError(f"perf on the host: {error}") from error
    inside = within(rows, counts.opened_s + LATE_S, counts.opened_s - LATE_S + seconds)
    if not inside:
        why = f"no interval of perf lies in the window's {seconds:g} s for certain"
        return none(why, Status.NOT_COUNTED)
    covered = sum(inside.values())
    asked = requested(events)
    found = matched([row for row in rows if row.interval in inside], asked)
    by_event = dict(zip(asked, found, strict=True))
    return tuple(
        _reading(event, by_event.get(event.name, ()), covered, seconds, len(inside), labels)
        for event in events
    )


def within(rows: Iterable[Row], first: float, last: float) -> dict[float, float]:
    """The intervals that begin after ``first`` and end before ``last``: end -> length, seconds."""
    ends = sorted({row.interval for row in rows if row.interval is not None and not row.summary})
    begins = [0.0, *ends]
    return {
        end: end - begin
        for begin, end in zip(begins, ends, strict=False)
        if begin >= first and end <= last
    }


def _reading(
    event: Event,
    rows: Sequence[Row],
    covered: float,
    seconds: float,
    intervals: int,
    labels: Mapping[str, str],
) -> Reading:
    def none(status: Status, why: str) -> Reading:
        return unknown(event.reading, event.unit, Source.PERF, status, why, labels)

    called = event.vendor_name or event.name
    if event.missing:
        return none(Status.NOT_SUPPORTED, event.missing)
    if any(row.state is State.NOT_SUPPORTED for row in rows):
        return none(Status.NOT_SUPPORTED, f"perf on the host: <not supported> {called}")
    values = [row.value for row in rows if row.value is not None]
    whole = {row.interval for row in rows} - {row.interval for row in rows if row.value is None}
    if len(whole) < intervals:
        missed = intervals - len(whole)
        why = f"perf on the host: {missed} of {intervals} intervals without a count of {called}"
        return none(Status.NOT_COUNTED, why)
    share = f"counted on the host in {covered:.1f} s of the window's {seconds:.1f} s"
    scaled = [row.running_percent or 0.0 for row in rows if row.state is State.SCALED]
    return Reading(
        name=event.reading,
        value=math.fsum(values) * seconds / covered,
        unit=event.unit,
        source=Source.PERF,
        status=Status.SCALED,
        labels=labels,
        reason=f"{share}, {min(scaled):g} % of the time" if scaled else share,
    )
