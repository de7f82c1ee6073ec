# SPDX-License-Identifier: GPL-2.0-only
"""Lines of ``perf stat -j`` to rows.

One JSON object a line; lines that begin with ``#`` and empty ones are perf's header
(``-o``). A value is judged by its own text and by the event's run time, never by the
percentage: rows that were not counted carry a percentage of 100.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NOT_SUPPORTED = "<not supported>"
NOT_COUNTED = "<not counted>"

AGGREGATES = ("core", "cpu", "socket", "node", "die", "thread", "cache", "cluster")


class State(StrEnum):
    """What a row's value is."""

    COUNTED = "counted"
    SCALED = "scaled"  # the event ran for part of the time; perf extrapolated
    NOT_SUPPORTED = "not supported"
    NOT_COUNTED = "not counted"


class ParseError(ValueError):
    """A line that cannot be trusted; the text quotes it with its number."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One event of one aggregate (and interval). ``value`` is None unless it was counted."""

    line: int
    event: str  # as perf printed it
    value: float | None
    unit: str
    state: State
    runtime_ns: int | None  # time that the event was counted for
    running_percent: float | None  # of the time that it was enabled
    aggregate: str = ""  # "cpu 0", "core S0-D0-C0" ...; "" for the whole
    interval: float | None = None  # seconds since the start, with -I


def parse_json(lines: Iterable[str]) -> Iterator[Row]:
    """Rows of ``lines``. Objects without an event (metric-only ones) are passed over.

    Raises ParseError for a line that is neither JSON nor header, and for values that are
    no numbers.
    """
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            found = json.loads(text)
        except ValueError as error:
            raise ParseError(f"line {number} is not JSON ({error}): {text[:80]!r}") from error
        if not isinstance(found, dict):
            raise ParseError(f"line {number} is no JSON object: {text[:80]!r}")
        if "event" in found and "counter-value" in found:
            yield _row(number, text, found)


def _row(number: int, text: str, found: dict[str, Any]) -> Row:
    def refuse(key: str) -> ParseError:
        return ParseError(f"line {number}: {key} is {found.get(key)!r}: {text[:80]!r}")

    def figure(key: str) -> float | None:
        if found.get(key) is None:
            return None
        try:
            value = float(found[key])
        except (TypeError, ValueError):
            raise refuse(key) from None
        if not math.isfinite(value) or value < 0:
            raise refuse(key)
        return value

    runtime = figure("event-runtime")
    percent = figure("pcnt-running")
    said = str(found["counter-value"]).strip()
    value: float | None = None
    if said == NOT_SUPPORTED:
        state = State.NOT_SUPPORTED
    elif said == NOT_COUNTED or runtime == 0:
        state = State.NOT_COUNTED
    else:
        value = figure("counter-value")
        # perf 6.1 cuts the percentage to a whole number, so 99 may be less than 1 % off.
        state = State.SCALED if percent is not None and percent < 100 else State.COUNTED
    aggregate = next((f"{key} {found[key]}" for key in AGGREGATES if key in found), "")
    return Row(
        line=number,
        event=str(found["event"]),
        value=value,
        unit=str(found.get("unit") or ""),
        state=state,
        runtime_ns=None if runtime is None else int(runtime),
        running_percent=percent,
        aggregate=aggregate,
        interval=figure("interval"),
    )


_DECORATION = re.compile(r"(\s*\[[^\]]*\]|:[a-zA-Z]+)+$")
_PMU = re.compile(r"^[\w-]+/(?P<inside>[^/]+)/$")


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
        if "=" not in inside and "," not in inside:
            return inside
    return bare
