# SPDX-License-Identifier: GPL-2.0-only
"""All that crosses between guest and host, defined once and imported by both sides.

To the guest: ``TrialDocument``, a file. To the host: frames (``frames.py``) with raw files,
with one of ``RECORDS`` as JSON, and in the end ``Done``.

What does not fit is refused with WireError, which names record, key and value; nothing else is
ever raised, whatever was sent. Only the standard library is imported.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, ClassVar, Self

from .checks import (
    WireError as WireError,
)
from .checks import (
    integer,
    mapping,
    number,
    one_of,
    optional,
    parse,
    scalar,
    shown,
    text,
    texts,
    word,
)

WINDOWS = 31
"""Windows that the model can count, beside the whole run."""
MEASURING = "measuring"
"""Progress that is told right before the measured window opens."""
MEASURED = 1
"""Number of the window that every trial has."""

Text = Annotated[str, text]
Word = Annotated[str, word]
Count = Annotated[int, integer(0)]
WindowNumber = Annotated[int, integer(1, WINDOWS)]

# The records.


@dataclass(frozen=True, kw_only=True)
class Record:
    """A JSON object with one key for each field; those with a default may be missing."""

    NAME: ClassVar[str]

    @classmethod
    def from_json(cls, value: object, where: str) -> Self:
        """The record of a JSON value. Raises WireError."""
        if not isinstance(value, dict):
            raise WireError(f"{where}: {shown(value)} is not an object")
        known = {one.name: one for one in fields(cls)}
        for key in value:
            if key not in known:
                raise WireError(f"{where}: unknown key {shown(key)}")
        checked: dict[str, Any] = {}
        for name, one in known.items():
            if name in value:
                (check,) = cls.__annotations__[name].__metadata__
                checked[name] = check(value[name], f"{where}.{name}")
            elif one.default is MISSING:
                raise WireError(f"{where}: no key {name!r}")
        record = cls(**checked)
        if fault := record.fault():
            raise WireError(f"{where}: {fault}")
        return record

    def to_json(self) -> object:
        """The JSON value of the record."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def fault(self) -> str:
        """Why values that each fit do not fit together; "" when they do."""
        return ""


@dataclass(frozen=True, kw_only=True)
class SingleValue(Record):
    """A record whose JSON value is that of its only field."""

    @classmethod
    def from_json(cls, value: object, where: str) -> Self:
        (one,) = fields(cls)
        (check,) = cls.__annotations__[one.name].__metadata__
        return cls(**{one.name: check(value, where)})

    def to_json(self) -> object:
        (one,) = fields(self)
        return getattr(self, one.name)


@dataclass(frozen=True, kw_only=True)
class Hello(Record):
    """The guest, before anything ran."""

    NAME = "hello"
    release: Text  # uname -r
    cpus: Annotated[int | None, optional(integer(0))]
    cmdline: Text  # of the kernel
    python: Text  # its version


@dataclass(frozen=True, kw_only=True)
class Watch(Record):
    """The kernel function that runs once per operation of the workload."""

    NAME = "watch"
    symbol: Word
    address: Annotated[int | None, optional(integer(0))]
    reason: Text = ""  # why it has no address


@dataclass(frozen=True, kw_only=True)
class Calls(SingleValue):
    """Addresses of the kernel functions that the host asked to be counted."""

    NAME = "calls"
    addresses: Annotated[Mapping[str, int | None], mapping(optional(integer(0)))]  # by symbol


@dataclass(frozen=True, kw_only=True)
class CallsUnknown(SingleValue):
    """Why some of them have no address, by symbol."""

    NAME = "calls_unknown"
    reasons: Annotated[Mapping[str, str], mapping(text)]


@dataclass(frozen=True, kw_only=True)
class Window(Record):
    """A stretch of the trial that was counted on its own."""

    NAME = "window"  # part of the record ``windows``
    number: WindowNumber  # the model's
    label: Word
    ns: Count  # guest time that it took


@dataclass(frozen=True, kw_only=True)
class Windows(Record):
    """Windows that have ended, by number."""

    NAME = "windows"
    windows: tuple[Window, ...]

    @classmethod
    def from_json(cls, value: object, where: str) -> Self:
        windows = []
        for key, one in mapping(lambda inner, _: inner)(value, where).items():
            if not re.fullmatch(r"[1-9][0-9]?", key, re.ASCII):
                raise WireError(f"{where}: {shown(key)} is not a window's number")
            if not isinstance(one, dict) or "number" in one:
                raise WireError(f"{where}.{key}: {shown(one)} is not a window")
            windows.append(Window.from_json({**one, "number": int(key)}, f"{where}.{key}"))
        return cls(windows=tuple(windows))

    def to_json(self) -> object:
        return {str(one.number): {"label": one.label, "ns": one.ns} for one in self.windows}


@dataclass(frozen=True, kw_only=True)
class Cycle(Record):
    """A cycle of a workload that ages the guest, in a window of its own."""

    NAME = "cycle"
    window: WindowNumber
    cycle: Count
    ns: Count


@dataclass(frozen=True, kw_only=True)
class UserText(Record):
    """User addresses whose fetches are shown as ``origin`` too."""

    NAME = "user_text"
    origin: Word
    start: Count
    end: Count  # the first address behind it

    def fault(self) -> str:
        return "" if self.start < self.end else f"it ends at {self.end}, from {self.start}"


VALUED = ("ok", "scaled")
"""Statuses that come with a value; the others come without."""
STATUSES = (*VALUED, "not_supported", "not_counted", "failed")


@dataclass(frozen=True, kw_only=True)
class WorkloadReading(Record):
    """A reading of the workload's own."""

    NAME = "reading"
    name: Word
    value: Annotated[int | float | None, optional(number)]
    unit: Text
    labels: Annotated[Mapping[str, str], mapping(text)]
    status: Annotated[str, one_of(*STATUSES)]
    reason: Text

    def fault(self) -> str:
        if (self.status in VALUED) == (self.value is not None):
            return ""
        return f"{shown(self.name)} has the value {shown(self.value)} and the status {self.status}"


@dataclass(frozen=True, kw_only=True)
class Note(SingleValue):
    """Something that every reader of the result must know."""

    NAME = "note"
    text: Text


@dataclass(frozen=True, kw_only=True)
class Verdicts(SingleValue):
    """What tests came to, by name."""

    NAME = "verdicts"
    words: Annotated[Mapping[str, str], mapping(one_of("pass", "fail", "skip"))]


@dataclass(frozen=True, kw_only=True)
class PerfStatus(SingleValue):
    """Exit status of ``perf stat``; negative for a signal."""

    NAME = "perf_status"
    status: Annotated[int, integer()]


@dataclass(frozen=True, kw_only=True)
class Done(Record):
    """How the trial ended, as the agent saw it."""

    NAME = "done"
    status: Annotated[str, one_of("ok", "failed")]
    reason: Text = ""
    kind: Annotated[str, one_of("", "agent", "kernel", "workload")] = ""  # what failed


@dataclass(frozen=True, kw_only=True)
class TrialDocument(Record):
    """What the host tells the agent."""

    NAME = "trial"
    variant: Text
    seed: Annotated[int, integer()]
    smp: Annotated[int, integer(1)]
    pti: Annotated[str, one_of("on", "off")]
    params: Annotated[Mapping[str, Any], mapping(scalar)]  # the workload's
    module: Word  # Python file of the workload
    watch: Text = ""  # kernel function that runs once per operation; "" for none
    traces: Annotated[tuple[str, ...], texts] = ()  # events to count in the guest
    perf_events: Annotated[tuple[str, ...], texts] = ()  # asked of perf stat; none: no perf
    calls: Annotated[tuple[str, ...], texts] = ()  # kernel functions to look up for the model


RECORDS: Mapping[str, type[Record]] = {
    cls.NAME: cls
    for cls in (
        Hello,
        Watch,
        Calls,
        CallsUnknown,
        Windows,
        Cycle,
        UserText,
        WorkloadReading,
        Note,
        Verdicts,
        PerfStatus,
    )
}
"""What a frame of kind ``record`` can carry, by its name."""

# JSON.


def encode(record: Record) -> bytes:
    """``record`` as JSON. Raises WireError for one that the other side would refuse."""
    try:
        data = json.dumps(record.to_json(), sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise WireError(f"{record.NAME}: {error}") from error
    type(record).from_json(parse(data, record.NAME), record.NAME)
    return data.encode()


def decode(name: str, value: object) -> Record:
    """The record ``name`` of a JSON value. Raises WireError."""
    if name not in RECORDS:
        raise WireError(f"unknown record {shown(name)}")
    return RECORDS[name].from_json(value, name)
