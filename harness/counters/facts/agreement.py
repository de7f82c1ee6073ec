# SPDX-License-Identifier: GPL-2.0-only
"""Do the model's page tables and the kernel's own dump say the same, to the last page?

Compared are the direct map, the kernel image, the module area, and what is executable
anywhere else. The dump shows the flags of a leaf, the model those that all levels allow
together; Linux forbids nothing at higher levels in these parts.
"""

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.counters.facts.page_tables import PageTables, Range
from harness.counters.facts.snapshots import DIRECT_MAP, IMAGE, MODULES

WHOLE = (DIRECT_MAP, IMAGE, MODULES)
"""Sections of which every page is compared; of others the executable ones."""

NOT_COMPARED = frozenset(
    {
        "User Space",
        "LDT remap",  # of each process
        "ESPfix Area",  # one page, mapped many times: the dump is cut there
        "EFI Runtime Services",  # has page tables of its own
        "End Modules",
        "Fixmap Area",
    }
)

SIZES = {"pte": "4 kB", "pmd": "2 MB", "pud": "1 GB"}


@dataclass(frozen=True)
class Difference:
    """Addresses at which two page tables differ in one way, and what each has there."""

    address: int
    end: int
    left: str
    right: str


def comparable(tables: PageTables, sections: Sequence[tuple[int, str]]) -> tuple[Range, ...]:
    """The ranges that are compared, equal neighbours merged.

    ``sections`` are the dump's own, for either side: they say what is not compared.
    """
    starts = [start for start, _ in sections]
    kept: list[Range] = []
    for span in tables.ranges:
        for one in _cut(span, starts):
            place = bisect.bisect_right(starts, one.start) - 1
            if place >= 0 and sections[place][1] in NOT_COMPARED:
                continue
            if one.section in WHOLE:
                kept.append(one)
            elif one.executable:
                kept.append(replace(one, section=""))
    return _merged(kept)


def _cut(span: Range, starts: Sequence[int]) -> list[Range]:
    """``span`` cut where sections begin inside it."""
    inside = [s for s in starts if span.start < s < span.end]
    bounds = [span.start, *inside, span.end]
    return [replace(span, start=a, end=b) for a, b in pairwise(bounds)]


def _merged(ranges: Sequence[Range]) -> tuple[Range, ...]:
    out: list[Range] = []
    for one in ranges:
        if (
            out
            and out[-1].end == one.start
            and replace(out[-1], end=one.end) == replace(one, start=out[-1].start)
        ):
            out[-1] = replace(out[-1], end=one.end)
        else:
            out.append(one)
    return tuple(out)


def first_difference(left: Sequence[Range], right: Sequence[Range]) -> Difference | None:
    """Where ``comparable`` ranges begin to differ; None where they agree."""
    return next(_differences(left, right), None)


def changes(before: Sequence[Range], after: Sequence[Range]) -> tuple[tuple[int, int], ...]:
    """The spans of addresses in which ``comparable`` ranges differ, neighbours as one."""
    out: list[tuple[int, int]] = []
    for one in _differences(before, after):
        if out and out[-1][1] == one.address:
            out[-1] = (out[-1][0], one.end)
        else:
            out.append((one.address, one.end))
    return tuple(out)


def without(ranges: Sequence[Range], spans: Sequence[tuple[int, int]]) -> tuple[Range, ...]:
    """``comparable`` ranges less the addresses in ``spans``."""
    bounds = [at for span in spans for at in span]
    kept = [
        piece
        for one in ranges
        for piece in _cut(one, bounds)
        if not any(start <= piece.start < end for start, end in spans)
    ]
    return _merged(kept)


def _differences(left: Sequence[Range], right: Sequence[Range]) -> Iterator[Difference]:
    if tuple(left) == tuple(right):
        return
    sides = [PageTables(ranges, [r.start for r in ranges]) for ranges in (left, right)]
    bounds = sorted({at for ranges in (left, right) for r in ranges for at in (r.start, r.end)})
    for address, end in pairwise(bounds):
        words = [_words(side.find(address)) for side in sides]
        if words[0] != words[1]:
            yield Difference(address, end, words[0], words[1])


def _words(mapped: Range | None) -> str:
    """What is mapped at an address, all that is compared."""
    if mapped is None:
        return "nothing"
    words = [
        f"a {SIZES[mapped.level]} page",
        "writable" if mapped.writable else "read-only",
        "executable" if mapped.executable else "not executable",
        *(["global"] if mapped.is_global else []),
        *([f"of {mapped.section}"] if mapped.section else []),
    ]
    return ", ".join(words)
