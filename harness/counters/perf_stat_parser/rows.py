# SPDX-License-Identifier: GPL-2.0-only
"""What a line of ``perf stat`` says, whatever the format, and how its figures are judged."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

NOT_SUPPORTED = "<not supported>"
NOT_COUNTED = "<not counted>"

FULL_TIME = 100.0  # percent
QUOTED = 80  # characters of a line that an error quotes

_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")


class State(StrEnum):
    """What a row's value is."""

    COUNTED = "counted"
    SCALED = "scaled"  # the event ran for part of the time; perf extrapolated
    NOT_SUPPORTED = "not supported"
    NOT_COUNTED = "not counted"


class ParseError(ValueError):
    """A line that cannot be trusted. The text quotes it; ``line`` is its number, from 1."""

    def __init__(self, line: int, why: str, text: str) -> None:
        self.line = line
        super().__init__(f"line {line}: {why}: {text.strip()[:QUOTED]!r}")


@dataclass(frozen=True)
class Metric:
    """A figure that perf derived from counts. ``value`` is None when it was not finite."""

    value: float | None
    unit: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One event of one aggregate (and interval). ``value`` is None unless it was counted."""

    line: int
    event: str  # as perf printed it
    value: float | None
    unit: str
    state: State
    runtime_ns: int | None  # time that the event was counted for; text has none
    running_percent: float | None  # as printed: rows that were not counted say 100
    aggregate: str = ""  # "cpu 0", "core S0-D0-C0" ...; "" for the whole
    members: int | None = None  # CPUs in the aggregate
    interval: float | None = None  # seconds since the start, with -I
    summary: bool = False  # the sum over the intervals, with --summary
    cgroup: str = ""
    variance_percent: float | None = None  # over repetitions, with -r
    metrics: tuple[Metric, ...] = ()


@dataclass(kw_only=True)
class Fields:
    """The figures of a line as text, before they are judged; "" for one that is not there."""

    line: int
    text: str
    event: str
    value: str
    unit: str = ""
    runtime: str = ""
    percent: str = ""
    aggregate: str = ""
    members: str = ""
    interval: str = ""
    summary: bool = False
    cgroup: str = ""
    variance: str = ""
    metrics: tuple[Metric, ...] = field(default_factory=tuple)

    def figure(self, name: str) -> float | None:
        """The field ``name`` as a finite number of 0 or more; None when it is not there."""
        text = str(getattr(self, name)).strip()
        if not text:
            return None
        number = decimal(text)
        if number is None:
            hint = " (run perf with LC_ALL=C)" if "," in text else ""
            raise ParseError(self.line, f"{name} is {text!r}, no number{hint}", self.text)
        if number < 0:
            raise ParseError(self.line, f"{name} is {text!r}, below 0", self.text)
        return number

    def row(self) -> Row:
        """The row. Raises ParseError for figures that contradict each other."""
        if not self.event.strip():
            raise ParseError(self.line, "no event", self.text)
        runtime, percent = self.figure("runtime"), self.figure("percent")
        if percent is not None and percent > FULL_TIME:
            raise ParseError(self.line, f"counted for {percent:g} % of the time", self.text)
        state, value = self._judge(runtime, percent)
        members = self.figure("members")
        return Row(
            line=self.line,
            event=self.event.strip(),
            value=value,
            unit=self.unit.strip(),
            state=state,
            runtime_ns=None if runtime is None else int(runtime),
            running_percent=percent,
            aggregate=self.aggregate,
            members=None if members is None else int(members),
            interval=self.figure("interval"),
            summary=self.summary,
            cgroup=self.cgroup,
            variance_percent=self.figure("variance"),
            metrics=self.metrics,
        )

    def _judge(self, runtime: float | None, percent: float | None) -> tuple[State, float | None]:
        """By the value's own words and the run time, never by the percentage alone."""
        text = self.value.strip()
        if text in (NOT_SUPPORTED, NOT_COUNTED):
            if runtime:
                raise ParseError(self.line, f"{text}, but ran for {runtime:g} ns", self.text)
            return (State.NOT_SUPPORTED if text == NOT_SUPPORTED else State.NOT_COUNTED), None
        value = self.figure("value")
        if value is None:
            raise ParseError(self.line, "no value", self.text)
        if runtime == 0 or percent == 0:
            return State.NOT_COUNTED, None
        # perf 6.1 cuts the percentage to a whole number: 99 may be less than 1 % off.
        scaled = percent is not None and percent < FULL_TIME
        return (State.SCALED if scaled else State.COUNTED), value


def decimal(text: str) -> float | None:
    """The finite number that ``text`` writes out in the C locale, or None."""
    if not _DECIMAL.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def metric(value: str, unit: str) -> tuple[Metric, ...]:
    """The metric of a row; none where perf pads the row with a made-up 0 ("", "(null)")."""
    unit = unit.strip()
    if not unit or unit == "(null)":
        return ()
    return (Metric(decimal(value.strip()), unit),)


def joined(items: Iterator[Row | Metric]) -> Iterator[Row]:
    """Rows with the metrics that follow each on lines of their own."""
    held: Row | None = None
    for item in items:
        if isinstance(item, Row):
            if held is not None:
                yield held
            held = item
        elif held is not None:
            held = replace(held, metrics=(*held.metrics, item))
    if held is not None:
        yield held
