# SPDX-License-Identifier: GPL-2.0-only
"""Text of /proc and debugfs files to numbers. A name that is absent is simply not there:
whoever asks for it learns that it is unknown, never that it is 0."""

import re

from harness.errors import DataError

_MEMINFO = re.compile(r"^([\w()]+):\s+(\d+)(?: (kB))?$")
_PAIR = re.compile(r"^(\S+)\s+(-?\d+)$")
_CPU = re.compile(r"CPU\d+")
QUOTED = 60


def pairs(text: str) -> dict[str, int]:
    """``name value`` lines (/proc/vmstat, execmem's statistics).

    Raises DataError, with the line, for anything else.
    """
    values: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _PAIR.match(line.rstrip())
        if not match:
            raise DataError(f"line {number} is not `name value`: {line[:QUOTED]!r}")
        if match[1] in values:
            raise DataError(f"line {number} gives {match[1]} a second time")
        values[match[1]] = int(match[2])
    return _some(values)


def meminfo(text: str) -> dict[str, int]:
    """/proc/meminfo: sizes in kB, counts as they are. Raises DataError with the line."""
    values: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _MEMINFO.match(line.rstrip())
        if not match:
            raise DataError(f"line {number} is not `Name: number kB`: {line[:QUOTED]!r}")
        values[match[1]] = int(match[2])
    return _some(values)


def interrupts(text: str) -> dict[str, int]:
    """/proc/interrupts: total over all CPUs by row name.

    Rows with one number (ERR, MIS) count the machine. Raises DataError for a file without
    the header that names the CPUs, and for a row with a number for some CPUs only.
    """
    lines = text.splitlines()
    header = lines[0].split() if lines else []
    if not header or not all(map(_CPU.fullmatch, header)):
        raise DataError(f"no CPU header in the first line: {(lines or [''])[0][:QUOTED]!r}")
    values: dict[str, int] = {}
    for number, line in enumerate(lines[1:], 2):
        name, colon, columns = line.partition(":")
        words = columns.split()[: len(header)]
        counts = [int(word) for word in words if word.isdecimal()]
        machine = len(counts) == 1 and len(columns.split()) == 1
        if not colon or (len(counts) != len(header) and not machine):
            raise DataError(f"line {number} has no count for each CPU: {line[:QUOTED]!r}")
        values[name.strip()] = sum(counts)
    return _some(values)


def stat(text: str) -> dict[str, int]:
    """/proc/stat: the rows of one number (``ctxt``, ``processes``); others, by CPU and by
    interrupt, are left out. Raises DataError, with the line, for a row without a number."""
    values: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, *words = line.split()
        if not words or not all(word.isdecimal() for word in words):
            raise DataError(f"line {number} is not a name and numbers: {line[:QUOTED]!r}")
        if len(words) == 1:
            values[name] = int(words[0])
    return _some(values)


def _some(values: dict[str, int]) -> dict[str, int]:
    if not values:
        raise DataError("it is empty")
    return values
