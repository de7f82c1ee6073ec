# SPDX-License-Identifier: GPL-2.0-only
"""Captured trials cut down to what is read in a millisecond: a few lines of each file."""

import json
from functools import cache
from typing import Any

from harness.counters.facts import page_tables
from harness.counters.facts.files import EDGES
from harness.counters.facts.guest_tables import DUMP
from harness.counters.facts.snapshots import first_number, second_number
from harness.guest.agent.frames import Kind, encode
from harness.guest.protocol import Frame
from harness.tests.unit import captured_trials
from harness.tests.unit.captured_trials import trial

NAMES = (*captured_trials.VARIANTS, captured_trials.MIXED, captured_trials.SNAPSHOTS)
LINES = 8
"""Of a file, and entries of a list in one of JSON."""


@cache
def frames(name: str) -> tuple[Frame, ...]:
    """What the guest of trial ``name`` sent, without most of each file, in an order of our own."""
    sent = trial(name).decoded
    records = [sent.hello, sent.watch, sent.calls, *sent.user_texts, *sent.readings[:3]]
    texts: list[tuple[str, object]] = [("windows", _windows(name))]
    texts += [(one.NAME, one.to_json()) for one in records if one is not None]
    return (
        *(Frame(kind=Kind.RECORD, name=n, payload=json.dumps(v).encode()) for n, v in texts),
        *(Frame(kind=Kind.FILE, name=n, payload=_cut(n, b)) for n, b in sent.files.items()),
        *(Frame(kind=Kind.ABSENT, name=n, payload=w.encode()) for n, w in sent.absent.items()),
        Frame(kind=Kind.PROGRESS, name="-", payload=b"measuring"),
        Frame(kind=Kind.DONE, name="-", payload=b'{"status": "ok"}'),
    )


def channel(sent: tuple[Frame, ...]) -> bytes:
    """``sent`` as the guest writes it."""
    lines: list[str] = []
    for frame in sent:
        lines += encode(len(lines), frame.kind, frame.name, frame.payload)
    return "".join(f"{line}\n" for line in lines).encode()


@cache
def report(name: str) -> dict[str, Any]:
    """The model's report of trial ``name`` with a few sites of each window, and with page tables
    that are those of ``frames``."""
    raw = trial(name).report
    assert raw is not None
    document: dict[str, Any] = json.loads(raw)
    for window in document["windows"]:
        cut_window(window)
    dumps = {f.name: page_tables.parse(f.payload.decode()) for f in frames(name) if _is_dump(f)}
    for one in document["snapshots"]:
        edge = next(e for e in EDGES if one["id"] in (first_number(e), second_number(e)))
        one["runs"] = captured_trials.runs_of(dumps[f"{edge}/{DUMP}"])
    return document


def cut_window(window: dict[str, Any]) -> None:
    """Keep the first sites of ``window`` only, and no lookups but theirs."""
    window["sites"] = window["sites"][:LINES]
    first, *others = window["vcpus"]
    for vcpu in window["vcpus"]:
        vcpu |= {key: 0 for key in vcpu if key.startswith(("walks", "stlb", "l1", "lookups"))}
    for site in window["sites"]:
        first[f"walks_{site['page']}"] += site["walks"]
        first["stlb_hits"] += site["stlb_hits"]
    first["lookups"] = first["stlb_hits"] + sum(
        value for key, value in first.items() if key.startswith("walks")
    )
    assert all(other["lookups"] == 0 for other in others)


def _windows(name: str) -> dict[str, object]:
    windows = trial(name).decoded.windows
    return {str(one.number): {"label": one.label, "ns": one.ns} for one in windows}


def _is_dump(frame: Frame) -> bool:
    return frame.kind is Kind.FILE and frame.name.endswith(DUMP)


def _cut(name: str, data: bytes) -> bytes:
    if name.endswith(".json"):
        return json.dumps(json.loads(data)[:LINES]).encode()
    lines = data.splitlines(keepends=True)
    if name.endswith(DUMP):  # a dump without its last heading is refused
        last = max(n for n, line in enumerate(lines) if page_tables.LAST_SECTION.encode() in line)
        texts = [n for n, line in enumerate(lines) if b" x " in line]
        kept = {*range(LINES), *texts[:LINES], *range(last, min(last + LINES, len(lines)))}
        return b"".join(lines[n] for n in sorted(kept))
    return b"".join(lines[:LINES])
