# SPDX-License-Identifier: GPL-2.0-only
"""/sys/kernel/debug/page_tables/kernel: which kernel addresses are mapped, how."""

import bisect
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import DataError

LEVEL_BYTES = {"pte": 1 << 12, "pmd": 1 << 21, "pud": 1 << 30}
"""Size of the page that an entry of each level maps (x86-64)."""

_RANGE = re.compile(
    r"^0x([0-9a-f]{16})-0x([0-9a-f]{16})\s+\d+[KMGTPE]\s(.*)\b(pte|pmd|pud|p4d|pgd)$"
)
_SECTION = re.compile(r"^---\[ (.+) \]---$")


@dataclass(frozen=True)
class Range:
    """Addresses [start, end) mapped alike, by entries of one level."""

    start: int
    end: int
    level: str
    writable: bool
    executable: bool
    is_global: bool
    section: str

    @property
    def page_bytes(self) -> int:
        """Size of one page of the range, in bytes."""
        return LEVEL_BYTES[self.level]


@dataclass(frozen=True)
class PageTables:
    """All mapped ranges in the order of their addresses."""

    ranges: Sequence[Range]
    starts: Sequence[int]

    def find(self, address: int) -> Range | None:
        """The range that maps ``address``, or None."""
        i = bisect.bisect_right(self.starts, address) - 1
        if i >= 0 and address < self.ranges[i].end:
            return self.ranges[i]
        return None

    def pages(self, spans: Sequence[tuple[int, int]]) -> tuple[dict[str, set[int]], int]:
        """Pages that hold a byte of ``spans`` ([start, end) each), by level, each once.

        Returns them by their first address, and how many spans are not wholly executable.
        """
        found: dict[str, set[int]] = {level: set() for level in LEVEL_BYTES}
        unmapped = 0
        for start, end in spans:
            at = start
            while at < end:
                hit = self.find(at)
                if hit is None or not hit.executable:
                    unmapped += 1
                    break
                page = at - at % hit.page_bytes
                found[hit.level].add(page)
                at = page + hit.page_bytes
        return found, unmapped


def parse(text: str) -> PageTables:
    """The dump as ranges; entries that map nothing are left out.

    Raises DataError with the line for one that is not recognised.
    """
    section = ""
    found: list[Range] = []
    for number, line in enumerate(text.splitlines(), 1):
        heading = _SECTION.match(line)
        if heading:
            section = heading[1]
            continue
        match = _RANGE.match(line.rstrip())
        if not match:
            raise DataError(f"line {number} is no page-table range: {line[:80]!r}")
        words = match[3].split()
        if not words or section == "User Space":
            continue
        if match[4] not in LEVEL_BYTES:
            raise DataError(f"line {number} maps a page at {match[4]}: {line[:80]!r}")
        found.append(
            Range(
                start=int(match[1], 16),
                end=int(match[2], 16),
                level=match[4],
                writable="RW" in words,
                executable="x" in words,
                is_global="GLB" in words,
                section=section,
            )
        )
    if not found:
        raise DataError("no mapped range in it")
    found.sort(key=lambda r: r.start)
    return PageTables(found, [r.start for r in found])


def write_execute(tables: PageTables) -> int:
    """Number of ranges that are writable and executable at once: must be 0."""
    return sum(r.writable and r.executable for r in tables.ranges)
