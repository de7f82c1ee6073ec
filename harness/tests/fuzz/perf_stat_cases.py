# SPDX-License-Identifier: GPL-2.0-only
"""Damaged output of perf stat, and what the parser may make of it."""

from pathlib import Path

from harness.counters.perf_stat_parser import ParseError, State, parse
from harness.tests.fuzz.mutations import damaged
from harness.tests.golden import DATA

FOLDERS = ("perf", "perf-newer", "perf-one-run")
ABSENT = (State.NOT_SUPPORTED, State.NOT_COUNTED)


def captured() -> list[Path]:
    """Everything that perf printed for these tests."""
    folder = DATA / "counters"
    return sorted(path for name in FOLDERS for path in (folder / name).glob("*.out"))


def separator(path: Path) -> str:
    """What the fields of a capture are told apart by; "" where it is not CSV."""
    if "csv" not in path.name:
        return ""
    return "," if "comma" in path.name else ";"


def check(seed: int, count: int) -> tuple[int, int]:
    """Parse ``count`` damaged captures; how many gave rows to their end, how many were refused.

    Every row that is given must make sense by itself, whatever the damage.
    """
    read = refused = 0
    by_separator = {
        mark: [p.read_text() for p in captured() if separator(p) == mark] for mark in ("", ",", ";")
    }
    for offset, (mark, texts) in enumerate(by_separator.items()):
        for text in damaged(texts, seed + offset, count // len(by_separator)):
            lines = text.splitlines()
            try:
                for row in parse(lines, mark):
                    assert 1 <= row.line <= len(lines), text
                    assert (row.value is None) == (row.state in ABSENT), text
                    assert row.value is None or row.value >= 0, text
                    assert row.event, text
                    assert row.running_percent is None or 0 <= row.running_percent <= 100, text
                read += 1
            except ParseError as error:
                assert 1 <= error.line <= len(lines), text
                assert "\n" not in str(error), text
                refused += 1
    return read, refused
