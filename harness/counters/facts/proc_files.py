# SPDX-License-Identifier: GPL-2.0-only
"""Text of /proc and debugfs files to numbers. A name that is absent is simply not there:
whoever asks for it learns that it is unknown, never that it is 0."""

import re

from harness.errors import DataError

_MEMINFO = re.compile(r"^([\w()]+):\s+(\d+)(?: (kB))?$")


def pairs(text: str) -> dict[str, int]:
    """``name value`` lines (/proc/vmstat, execmem's statistics).

    Raises DataError, with the line, for anything else.
    """
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if len(fields) != 2 or not fields[1].lstrip("-").isdigit():
            raise DataError(f"line {number} is not `name value`: {line[:60]!r}")
        found[fields[0]] = int(fields[1])
    return found


def meminfo(text: str) -> dict[str, int]:
    """/proc/meminfo: sizes in kB, counts as they are. Raises DataError with the line."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _MEMINFO.match(line)
        if not match:
            raise DataError(f"line {number} is not `Name: number kB`: {line[:60]!r}")
        found[match[1]] = int(match[2])
    return found


def interrupts(text: str) -> dict[str, int]:
    """/proc/interrupts: total over all CPUs by row name. Raises DataError without a header."""
    lines = text.splitlines()
    if not lines or not lines[0].split() or lines[0].split()[0] != "CPU0":
        raise DataError(f"no CPU header in the first line: {(lines or [''])[0][:60]!r}")
    cpus = len(lines[0].split())
    found: dict[str, int] = {}
    for line in lines[1:]:
        name, _, rest = line.partition(":")
        counts = [word for word in rest.split()[:cpus] if word.isdigit()]
        if counts:
            found[name.strip()] = sum(map(int, counts))
    return found
