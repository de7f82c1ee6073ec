# SPDX-License-Identifier: GPL-2.0-only
"""Everything that the guest of one trial sent, typed: the channel is decoded here, once.

Each frame and record is checked by itself (``agent/frames.py``, ``agent/wire.py``); here they
are checked against each other.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from harness.guest.agent import checks, wire
from harness.guest.agent.frames import Kind
from harness.guest.agent.wire import WireError
from harness.guest.protocol import Frame, frames


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """What a guest sent. ``done`` is None if it never said that it had finished."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)  # file -> why it could not be read
    progress: tuple[str, ...] = ()
    hello: wire.Hello | None = None
    watch: wire.Watch | None = None
    calls: wire.Calls | None = None  # None: the guest was not asked for any
    calls_unknown: Mapping[str, str] = field(default_factory=dict)  # symbol -> why
    windows: tuple[wire.Window, ...] = ()
    cycles: tuple[wire.Cycle, ...] = ()
    user_texts: tuple[wire.UserText, ...] = ()
    readings: tuple[wire.WorkloadReading, ...] = ()
    notes: tuple[str, ...] = ()
    verdicts: Mapping[str, str] = field(default_factory=dict)  # test -> pass | fail | skip
    perf_status: int | None = None
    done: wire.Done | None = None


def decode(channel: bytes) -> Decoded:
    """All that the guest wrote. Raises WireError for anything damaged, out of order, unknown or
    contradictory, with the frame or the record at fault."""
    sent = _Sent()
    for frame in frames(channel):
        sent.add(frame)
    decoded = sent.decoded()
    if decoded.done is not None and decoded.done.status == "ok":
        numbers = [window.number for window in decoded.windows]
        if wire.MEASURED not in numbers:
            raise WireError("the guest never opened the measured window, and said it was done")
    return decoded


R = TypeVar("R", bound=wire.Record)


class _Sent:
    """Frames as they came, by what they carry."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._absent: dict[str, str] = {}
        self._progress: list[str] = []
        self._records: list[wire.Record] = []
        self._done: wire.Done | None = None

    def add(self, frame: Frame) -> None:
        where = f"{frame.kind} {frame.name}"
        if self._done is not None:
            raise WireError(f"{where} after the guest said it was done")
        if frame.kind in (Kind.FILE, Kind.ABSENT):
            if frame.name in self._files or frame.name in self._absent:
                raise WireError(f"{where}: it was sent before")
            if frame.kind is Kind.FILE:
                self._files[frame.name] = frame.payload
            else:
                reason = " ".join(frame.payload.decode(errors="replace").split())
                self._absent[frame.name] = reason or "no reason given"
        elif frame.kind is Kind.PROGRESS:
            self._progress.append(frame.payload.decode(errors="replace"))
        elif frame.kind is Kind.RECORD:
            value = checks.parse(frame.payload, where)
            self._records.append(wire.decode(frame.name, value))
        else:
            self._done = wire.Done.from_json(checks.parse(frame.payload, where), where)

    def decoded(self) -> Decoded:
        unknown, perf = self._one(wire.CallsUnknown), self._one(wire.PerfStatus)
        return Decoded(
            files=self._files,
            absent=self._absent,
            progress=tuple(self._progress),
            hello=self._one(wire.Hello),
            watch=self._one(wire.Watch),
            calls=self._one(wire.Calls),
            calls_unknown=unknown.reasons if unknown else {},
            windows=self._windows(),
            cycles=self._cycles(),
            user_texts=_unique(self._all(wire.UserText), "user_text", lambda one: one.origin),
            readings=_unique(self._all(wire.WorkloadReading), "reading", _reading_key),
            notes=tuple(one.text for one in self._all(wire.Note)),
            verdicts=self._verdicts(),
            perf_status=perf.status if perf else None,
            done=self._done,
        )

    def _all(self, cls: type[R]) -> list[R]:
        return [record for record in self._records if isinstance(record, cls)]

    def _one(self, cls: type[R]) -> R | None:
        records = self._all(cls)
        if len(records) > 1:
            raise WireError(f"{cls.NAME}: it was sent {len(records)} times")
        return records[0] if records else None

    def _windows(self) -> tuple[wire.Window, ...]:
        windows = [window for one in self._all(wire.Windows) for window in one.windows]
        numbers = [one.number for one in windows] + [one.window for one in self._all(wire.Cycle)]
        _unique(numbers, "window", lambda number: number)
        return _unique(windows, "windows", lambda one: one.label)

    def _cycles(self) -> tuple[wire.Cycle, ...]:
        return _unique(self._all(wire.Cycle), "cycle", lambda one: one.cycle)

    def _verdicts(self) -> dict[str, str]:
        pairs = [pair for one in self._all(wire.Verdicts) for pair in one.words.items()]
        return dict(_unique(pairs, "verdicts", lambda pair: pair[0]))


T = TypeVar("T")


def _unique(values: Iterable[T], where: str, key: Callable[[T], Hashable]) -> tuple[T, ...]:
    """``values``, of which no two have one key. Raises WireError naming the key."""
    seen: dict[Hashable, T] = {}
    for value in values:
        if key(value) in seen:
            raise WireError(f"{where}: {ascii(key(value))[:200]} is given twice")
        seen[key(value)] = value
    return tuple(seen.values())


def _reading_key(one: wire.WorkloadReading) -> tuple[str, tuple[tuple[str, str], ...]]:
    return one.name, tuple(sorted(one.labels.items()))
