# SPDX-License-Identifier: GPL-2.0-only
"""``perf stat`` as people read it. Use ``-j`` or ``-x`` where there is a choice: text has no
run times, and its columns cannot always be told apart."""

import re
from collections.abc import Iterable, Iterator

from .rows import Fields, Metric, ParseError, Row, decimal, joined, metric

# Units of perf 6.1's own events and of the uncore and power PMUs (Documentation/ABI).
UNITS = frozenset({"msec", "sec", "ns", "Joules", "Watts", "MiB", "GiB", "KiB", "Bytes", "C"})

_VALUE = r"(?P<value><not (?:supported|counted)>|\d[\d,]*(?:\.\d+)?)"
_ROW = re.compile(
    r"^(?:\s*(?P<interval>\d+\.\d{9})\s)?"
    r"(?:(?P<aggregate>(?:S\d+\S*|N\d+))\s+(?P<members>\d+)\s|(?P<cpu>CPU\d+)\s)?"
    rf"\s*{_VALUE}\s+(?P<names>[^#]*?)"
    r"(?:\s+#\s+(?P<metric>.*?))?"
    r"(?:\s+\( \+-\s*(?P<variance>[\d.]+)% \))?"
    r"(?:\s+\((?P<percent>[\d.]+)%\))?\s*$"
)
_METRIC_ONLY = re.compile(r"^\s+#\s+(?P<metric>\S.*?)\s*(?:\([\d.]+%\))?\s*$")
_METRIC = re.compile(r"(?P<value>\S+)\s+(?P<unit>\S.*)")
_TIME = re.compile(r"^\s*[\d.]+ (?:\+- [\d.]+ )?seconds (?:time elapsed|user|sys)\b")
_GROUPED = re.compile(r"\d{1,3}(,\d{3})+(\.\d+)?")


def parse_text(lines: Iterable[str]) -> Iterator[Row]:
    """Rows of ``lines``. Lines that hold no count (titles, hints, times) are passed over.

    Raises ParseError for a line that looks like a count and cannot be read as one.
    """
    return joined(_items(lines))


def _items(lines: Iterable[str]) -> Iterator[Row | Metric]:
    for number, line in enumerate(lines, 1):
        text = line.rstrip()
        only = _METRIC_ONLY.match(text)
        if only:
            yield from _metric(only["metric"])
            continue
        if not text.strip() or text.startswith("#") or _TIME.match(text):
            continue
        match = _ROW.match(text)
        if match:
            yield _fields(number, text, match).row()
        elif "<not " in text or re.match(r"\s*\d", text):
            raise ParseError(number, "no count that can be read", text)


def _metric(text: str) -> tuple[Metric, ...]:
    match = _METRIC.match(text.strip())
    return metric(match["value"], match["unit"]) if match else ()


def _fields(number: int, text: str, match: re.Match[str]) -> Fields:
    words = match["names"].split()
    unit = words.pop(0) if len(words) > 1 and words[0] in UNITS else ""
    if words and words[-1].startswith("[") and len(words) == 2:  # PMU: "cycles [cpu_core]"
        words = [" ".join(words)]
    if len(words) != 1:
        raise ParseError(number, "cannot tell unit, event and cgroup apart", text)
    value = match["value"]
    if decimal(value) is None and _GROUPED.fullmatch(value):
        value = value.replace(",", "")
    aggregate = match["aggregate"] or ""
    if aggregate:
        levels = aggregate.count("-")
        kinds = {0: "node" if aggregate.startswith("N") else "socket", 1: "die"}
        aggregate = f"{kinds.get(levels, 'core')} {aggregate}"
    elif match["cpu"]:
        aggregate = f"cpu {match['cpu'].removeprefix('CPU')}"
    return Fields(
        line=number,
        text=text,
        event=words[0],
        value=value,
        unit=unit,
        percent=match["percent"] or "",
        aggregate=aggregate,
        members=match["members"] or "",
        interval=match["interval"] or "",
        variance=match["variance"] or "",
        metrics=_metric(match["metric"] or ""),
    )
