# SPDX-License-Identifier: GPL-2.0-only
"""/sys/kernel/debug/page_tables/kernel: which kernel addresses are mapped, how."""

import bisect
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from harness.errors import DataError

LEVEL_BYTES = {"pte": 1 << 12, "pmd": 1 << 21, "pud": 1 << 30}
"""Size of the page that an entry of each level maps (x86-64)."""

ADDRESS_SPACE = 1 << 64
LAST_SECTION = "Fixmap Area"  # the last heading of an x86-64 dump
QUOTED = 80

_RANGE = re.compile(
    r"^0x([0-9a-f]{16})-0x([0-9a-f]{16})\s+\d+[KMGTPE]\s(.*)\b(pte|pmd|pud|p4d|pgd)$"
)
# The dump is cut where a section has many lines: "... 65529 entries skipped ... ".
_SKIPPED = re.compile(r"^\.\.\. \d+ entr(y|ies) skipped \.\.\.\s*$")
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

    @property
    def pages(self) -> int:
        """Number of page-table entries that map the range."""
        return (self.end - self.start) // self.page_bytes

    @property
    def kind(self) -> str:
        """What the permissions make it: text, rodata or data; wx when both."""
        if self.executable:
            return "wx" if self.writable else "text"
        return "data" if self.writable else "rodata"


@dataclass(frozen=True)
class PageTables:
    """All mapped ranges in the order of their addresses."""

    ranges: Sequence[Range]
    starts: Sequence[int]
    sections: Sequence[tuple[int, str]] = ()  # where each begins, as the kernel's dump names it
    cut: frozenset[str] = field(default_factory=frozenset)  # sections of which lines are left out

    def find(self, address: int) -> Range | None:
        """The range that maps ``address``, or None."""
        i = bisect.bisect_right(self.starts, address) - 1
        if i >= 0 and address < self.ranges[i].end:
            return self.ranges[i]
        return None

    def count(self, sections: Collection[str], kind: str, level: str) -> int:
        """Number of entries of ``level`` that map memory of a ``kind`` in ``sections``."""
        return sum(
            r.pages
            for r in self.ranges
            if r.section in sections and r.kind == kind and r.level == level
        )

    def write_execute(self) -> int:
        """Number of ranges that are writable and executable at once: must be 0."""
        return sum(r.kind == "wx" for r in self.ranges)

    def pages(self, spans: Sequence[tuple[int, int]]) -> tuple[dict[str, set[int]], int]:
        """Pages that hold a byte of ``spans`` ([start, end) each), by level, each once.

        Returns them by their first address, and how many spans are not wholly executable.
        """
        by_level: dict[str, set[int]] = {level: set() for level in LEVEL_BYTES}
        unmapped = 0
        for start, end in spans:
            at = start
            while at < end:
                hit = self.find(at)
                if hit is None or not hit.executable:
                    unmapped += 1
                    break
                page = at - at % hit.page_bytes
                by_level[hit.level].add(page)
                at = page + hit.page_bytes
        return by_level, unmapped


def parse(text: str) -> PageTables:
    """The dump as ranges; entries that map nothing are left out.

    Raises DataError with the line for one that is not recognised, and for a dump without
    its last heading: one that was cut short, or of another architecture.
    """
    section = ""
    headings = set()
    begun: list[tuple[int, str]] = []
    cut = set()
    ranges: list[Range] = []
    for number, line in enumerate(text.splitlines(), 1):
        heading = _SECTION.match(line)
        if heading:
            section = heading[1]
            headings.add(section)
        elif _SKIPPED.match(line):
            cut.add(section)
        else:
            match = _RANGE.match(line.rstrip())
            if not match:
                raise DataError(f"line {number} is not a page-table range: {line[:QUOTED]!r}")
            if not begun or begun[-1][1] != section:
                begun.append((int(match[1], 16), section))
            mapped = _range(number, match, section)
            if mapped is not None:
                ranges.append(mapped)
    if not ranges:
        raise DataError("no mapped range in it")
    if LAST_SECTION not in headings:
        raise DataError(f"it has no section {LAST_SECTION!r}: cut short, or not of x86-64")
    ranges.sort(key=lambda r: r.start)
    return PageTables(ranges, [r.start for r in ranges], tuple(begun), frozenset(cut))


def _range(number: int, match: re.Match[str], section: str) -> Range | None:
    """The range of a line; None for one that maps nothing."""
    line, flags = match[0], match[3].split()
    if not flags or section == "User Space":
        return None
    level, start, end = match[4], int(match[1], 16), int(match[2], 16)
    size = LEVEL_BYTES.get(level)
    if size is None:
        raise DataError(f"line {number} maps a page at {level}: {line[:QUOTED]!r}")
    if ("x" in flags) == ("NX" in flags) or ("RW" in flags) == ("ro" in flags):
        raise DataError(f"line {number} does not say what is allowed: {line[:QUOTED]!r}")
    end = end or ADDRESS_SPACE  # the last range ends where 64 bits do
    if end <= start or start % size or end % size:
        raise DataError(f"line {number} is not a run of {level} pages: {line[:QUOTED]!r}")
    return Range(
        start=start,
        end=end,
        level=level,
        writable="RW" in flags,
        executable="x" in flags,
        is_global="GLB" in flags,
        section=section,
    )
