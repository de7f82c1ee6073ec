# SPDX-License-Identifier: GPL-2.0-only
"""What ``perf stat`` said in the guest, as readings. An event without a count is never 0."""

from collections.abc import Sequence

from harness.counters.events import EVENTS, Event
from harness.counters.perf_stat_parser import ParseError, Row, State, normalised, parse_json
from harness.errors import DataError
from harness.model import Reading, Source, Status, unknown


def requested(events: Sequence[Event] = EVENTS) -> tuple[str, ...]:
    """What perf is asked for, one -e each: an event that is missing must not take the
    others with it, as it would in a group."""
    return tuple(event.name for event in events)


def readings(
    output: bytes | None, errors: bytes, status: int | None, label: str
) -> tuple[Reading, ...]:
    """Readings of one ``perf stat -a -j`` over the window ``label``.

    ``output`` is its file, None when perf was not run to its end; ``status`` its exit
    status. Raises DataError, with the line, for output that cannot be trusted.
    """
    labels = {"window": label, "origin": "all"}
    if output is None or status is None:
        return _all_unknown(Status.FAILED, "perf stat left no output", labels)
    if not output.strip() and status != 0:
        said = errors.decode(errors="replace").strip().splitlines()
        why = f"perf stat ended with {status}: {(said or ['no message'])[0]}"
        return _all_unknown(Status.NOT_SUPPORTED, why, labels)
    try:
        rows = list(parse_json(output.decode(errors="replace").splitlines()))
    except ParseError as error:
        raise DataError(f"perf/stat.json: {error}") from error
    by_name = {normalised(row.event): row for row in rows}
    if len(by_name) != len(rows):
        raise DataError("perf/stat.json: one event is given twice")
    return tuple(_reading(event, by_name.get(event.name), labels) for event in EVENTS)


def _all_unknown(status: Status, why: str, labels: dict[str, str]) -> tuple[Reading, ...]:
    return tuple(
        unknown(event.reading, "event", Source.PERF, status, why, labels) for event in EVENTS
    )


def _reading(event: Event, row: Row | None, labels: dict[str, str]) -> Reading:
    def none(status: Status, why: str) -> Reading:
        return unknown(event.reading, "event", Source.PERF, status, why, labels)

    if row is None:
        return none(Status.NOT_COUNTED, f"perf printed no row for {event.name}")
    if row.state is State.NOT_SUPPORTED:
        return none(Status.NOT_SUPPORTED, f"perf: <not supported> {event.name}")
    if row.value is None:
        return none(Status.NOT_COUNTED, f"perf: <not counted> {event.name}")
    scaled = row.state is State.SCALED
    return Reading(
        name=event.reading,
        value=int(row.value) if row.value.is_integer() else row.value,
        unit="event",
        source=Source.PERF,
        status=Status.SCALED if scaled else Status.OK,
        labels=labels,
        reason=f"counted {row.running_percent:g} % of the time" if scaled else "",
    )
