# SPDX-License-Identifier: GPL-2.0-only
"""What ``perf stat`` is asked for in the guest, and what it said, as readings.

An event without a count is never 0.
"""

import math
from collections.abc import Mapping, Sequence

from harness.counters.events import EVENTS, Event
from harness.counters.perf_stat_parser import ParseError, Row, State, matched, parse_json
from harness.errors import DataError
from harness.model.reading import Reading, Source, Status, unknown


def requested(events: Sequence[Event] = EVENTS) -> tuple[str, ...]:
    """What perf is asked for, one -e each: an event that is missing must not take the
    others with it, as it would in a group."""
    return tuple(event.name for event in events if event.name)


def argv(events: Sequence[Event], seconds: float, output: str) -> tuple[str, ...]:
    """perf on all CPUs for ``seconds``, one JSON object a line into the file ``output``."""
    asked = (word for name in requested(events) for word in ("-e", name))
    return ("perf", "stat", "-a", "-j", "-o", output, *asked, "--", "sleep", f"{seconds:g}")


def readings(
    output: bytes | None,
    errors: bytes,
    status: int | None,
    label: str,
    events: Sequence[Event] = EVENTS,
) -> tuple[Reading, ...]:
    """Readings of one ``perf stat -a -j`` of ``events`` over the window ``label``.

    ``output`` is its file, None when perf was not run to its end; ``errors`` its standard
    error, ``status`` its exit status. perf ends with 129 for an event that it does not know
    and 255 for a group leader that the machine lacks, and has then measured nothing.
    Raises DataError, with the line, for output that cannot be trusted.
    """
    labels = {"window": label, "origin": "all"}
    if output is None or status is None:
        return all_unknown(events, Status.FAILED, "perf stat left no output", labels)
    try:
        rows = list(parse_json(output.decode(errors="replace").splitlines()))
    except ParseError as error:
        raise DataError(f"perf/stat.json: {error}") from error
    if not rows and status != 0:
        why = f"perf stat ended with {status}: {_first_words(errors)}"
        return all_unknown(events, Status.NOT_SUPPORTED, why, labels)
    by_event = dict(zip(requested(events), matched(rows, requested(events)), strict=True))
    taken = {row.line for event_rows in by_event.values() for row in event_rows}
    names = {row.event for row in rows if row.line in taken}
    for row in rows:
        if row.line not in taken and row.event in names:
            raise DataError(f"perf/stat.json: line {row.line} gives {row.event} twice")
    return tuple(_reading(event, by_event.get(event.name, ()), labels) for event in events)


def _first_words(errors: bytes) -> str:
    """perf's own words: the first line that is more than a heading, and its mark."""
    lines = [line.strip() for line in errors.decode(errors="replace").splitlines()]
    messages = [line for line in lines if line and line != "Error:"]
    mark = next((line.lstrip("\\_ ") for line in messages[1:] if line.startswith("\\___")), "")
    return "; ".join(filter(None, (*messages[:1], mark))) or "no message"


def all_unknown(
    events: Sequence[Event], status: Status, why: str, labels: Mapping[str, str]
) -> tuple[Reading, ...]:
    """No count of any of ``events``, and why."""
    return tuple(
        unknown(event.reading, event.unit, Source.PERF, status, why, labels) for event in events
    )


def _reading(event: Event, rows: Sequence[Row], labels: Mapping[str, str]) -> Reading:
    called = event.vendor_name or event.name

    def none(status: Status, why: str) -> Reading:
        return unknown(event.reading, event.unit, Source.PERF, status, why, labels)

    if event.missing:
        return none(Status.NOT_SUPPORTED, event.missing)
    if not rows:
        return none(Status.NOT_COUNTED, f"perf printed no row for {called}")
    if any(row.state is State.NOT_SUPPORTED for row in rows):
        return none(Status.NOT_SUPPORTED, f"perf: <not supported> {called}")
    values = [row.value for row in rows if row.value is not None]
    if len(values) != len(rows):
        return none(Status.NOT_COUNTED, f"perf: <not counted> {called}")
    total = math.fsum(values)
    scaled = [row.running_percent or 0.0 for row in rows if row.state is State.SCALED]
    return Reading(
        name=event.reading,
        value=int(total) if total.is_integer() else total,
        unit=event.unit,
        source=Source.PERF,
        status=Status.SCALED if scaled else Status.OK,
        labels=labels,
        reason=f"counted {min(scaled):g} % of the time" if scaled else "",
    )
