# SPDX-License-Identifier: GPL-2.0-only
"""``perf stat -x SEP``: fields in the order in which perf prints them.

    [summary | interval] [aggregate [, CPUs]] value, unit, event [, cgroup] [, variance%],
    run time, percentage, metric, metric unit

The manual page puts the variance behind the percentage; perf does not. Raw event names
hold commas, so ask perf for ``-x ';'``.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from .rows import NOT_COUNTED, NOT_SUPPORTED, Fields, Metric, ParseError, Row, decimal, joined
from .rows import metric as made_metric

SUMMARY = "summary"

_INTERVAL = re.compile(r"\s*\d+\.\d{9}")
_PERCENT = re.compile(r"\d{1,3}\.\d{2}")
_VARIANCE = re.compile(r"\d+\.\d+%")
# Kinds of aggregates by the look of their names; "thread" is "comm-pid", and the rest.
_AGGREGATES = (
    ("cpu", re.compile(r"CPU\d+")),
    ("node", re.compile(r"N\d+")),
    ("socket", re.compile(r"S\d+")),
    ("die", re.compile(r"S\d+-D\d+")),
    ("cache", re.compile(r"S\d+-D\d+-L\d+-ID\d+")),
    ("cluster", re.compile(r"S\d+-D\d+-CLS\d+")),
    ("core", re.compile(r"S\d+-D\d+(-CLS\d+)?-C\d+")),
    ("thread", re.compile(r".+-\d+")),
)


def parse_csv(lines: Iterable[str], separator: str = ";") -> Iterator[Row]:
    """Rows of ``lines`` whose fields are told apart by ``separator``.

    Raises ParseError, with the line, for anything but rows and perf's header.
    """
    return joined(_items(lines, separator))


def _items(lines: Iterable[str], separator: str) -> Iterator[Row | Metric]:
    for number, line in enumerate(lines, 1):
        text = line.rstrip("\r\n")
        if not text.strip() or text.startswith("#"):
            continue
        parsed = _Line(number, text, separator)
        if parsed.is_metric:
            yield from made_metric(*parsed.columns[-2:])
        else:
            yield parsed.fields().row()


def _is_value(field: str) -> bool:
    text = field.strip()
    return text in (NOT_SUPPORTED, NOT_COUNTED) or decimal(text) is not None


class _Line:
    """A line taken apart from both ends: the event's name may hold separators."""

    def __init__(self, number: int, text: str, separator: str) -> None:
        self.number, self.text, self.separator = number, text, separator
        columns = text.split(separator)
        self.summary = columns[0].strip() == SUMMARY
        self.interval = columns[0] if _INTERVAL.fullmatch(columns[0]) else ""
        if self.summary or self.interval:
            columns = columns[1:]
        self.aggregate = self.members = ""
        if columns and columns[0].strip() and not _is_value(columns[0]):
            self.aggregate = self._kind(columns[0].strip())
            columns = columns[1:]
            if (
                len(columns) > 1
                and columns[0].isdigit()
                and (_is_value(columns[1]) or not any(columns[1:4]))
            ):
                self.members = columns[0]
                columns = columns[1:]
        self.columns = columns

    @property
    def is_metric(self) -> bool:
        """Whether the line only adds a metric to the event before it."""
        return len(self.columns) > 4 and not any(f.strip() for f in self.columns[:3])

    def _kind(self, name: str) -> str:
        for kind, pattern in _AGGREGATES:
            if pattern.fullmatch(name):
                return f"{kind} {name.removeprefix('CPU')}"
        raise ParseError(self.number, f"{name!r} is neither a count nor an aggregate", self.text)

    def fields(self) -> Fields:
        columns = self.columns
        at = self._runtime_at()
        names, variance = columns[2:at], ""
        if len(names) > 1 and _VARIANCE.fullmatch(names[-1].strip()):
            variance = names[-1].strip().rstrip("%")
            names = names[:-1]
        event, cgroup = self._names(names)
        unit, *_ = (*columns[at + 3 : at + 4], "")
        value, *_ = (*columns[at + 2 : at + 3], "")
        return Fields(
            line=self.number,
            text=self.text,
            event=event,
            value=columns[0],
            unit=columns[1],
            runtime=columns[at],
            percent=columns[at + 1],
            aggregate=self.aggregate,
            members=self.members,
            interval=self.interval,
            summary=self.summary,
            cgroup=cgroup,
            variance=variance,
            metrics=made_metric(value, unit),
        )

    def _runtime_at(self) -> int:
        """Index of the run time: the last whole number before a percentage."""
        for at in range(len(self.columns) - 2, 2, -1):
            if self.columns[at].isdigit() and _PERCENT.fullmatch(self.columns[at + 1]):
                return at
        raise ParseError(self.number, "no run time and percentage", self.text)

    def _names(self, parts: Sequence[str]) -> tuple[str, str]:
        """The event and the cgroup: the event goes on until its slashes are closed."""
        for end in range(1, len(parts) + 1):
            event = self.separator.join(parts[:end])
            if event.count("/") % 2 == 0:
                left = parts[end:]
                if len(left) > 1:
                    break
                return event, left[0] if left else ""
        raise ParseError(self.number, "the event's name has no end", self.text)
