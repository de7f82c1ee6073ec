# SPDX-License-Identifier: GPL-2.0-only
"""``perf stat -j`` (perf 6.0 and later): one JSON object a line, not an array."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from .rows import Fields, Metric, ParseError, Row, joined, metric

AGGREGATES = ("core", "cpu", "socket", "node", "die", "thread", "cache", "cluster")
MEMBERS = ("aggregate-number", "counters")  # perf 6.1, newer ones

# What printf makes of a figure that is not finite: no JSON.
_NOT_FINITE = re.compile(r'("metric-value" : )-?(?:nan|inf)\b')


def parse_json(lines: Iterable[str]) -> Iterator[Row]:
    """Rows of ``lines``. Keys that are not known are passed over, and so are objects
    without an event (``--metric-only`` prints ``{}`` for software events).

    Raises ParseError for a line that is neither a JSON object nor perf's header (``-o``
    puts one before the first), and for figures that are none.
    """
    return joined(_items(lines))


def _items(lines: Iterable[str]) -> Iterator[Row | Metric]:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        document = _object(number, text)
        if "event" in document or "counter-value" in document:
            yield _fields(number, text, document).row()
        elif "metric-value" in document:
            yield from metric(_text(document, "metric-value"), _text(document, "metric-unit"))


def _object(number: int, text: str) -> dict[str, Any]:
    try:
        document = json.loads(_NOT_FINITE.sub(r"\1null", text))
    except ValueError as error:
        raise ParseError(number, f"not JSON ({error})", text) from error
    if not isinstance(document, dict):
        raise ParseError(number, "no JSON object", text)
    return document


def _text(document: dict[str, Any], key: str) -> str:
    """The value of ``key`` as it would be printed: numbers are quoted in some versions."""
    value = document.get(key)
    return "" if value is None else str(value)


def _fields(number: int, text: str, document: dict[str, Any]) -> Fields:
    for key in ("event", "counter-value"):
        if not isinstance(document.get(key), str):
            raise ParseError(number, f"{key} is {document.get(key)!r}, no text", text)
    aggregate = next((f"{key} {document[key]}" for key in AGGREGATES if key in document), "")
    return Fields(
        line=number,
        text=text,
        event=document["event"],
        value=document["counter-value"],
        unit=_text(document, "unit"),
        runtime=_text(document, "event-runtime"),
        percent=_text(document, "pcnt-running"),
        aggregate=aggregate,
        members=next((_text(document, key) for key in MEMBERS if key in document), ""),
        interval=_text(document, "interval"),
        cgroup=_text(document, "cgroup"),
        variance=_text(document, "variance"),
        metrics=metric(_text(document, "metric-value"), _text(document, "metric-unit")),
    )
