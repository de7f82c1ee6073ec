# SPDX-License-Identifier: GPL-2.0-only
"""Which pages hold which BPF programs."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.counters.facts.layout import Layout
from harness.counters.facts.page_tables import PageTables
from harness.counters.facts.text_map import LARGE_PAGE, PAGE
from harness.model.records import TextPage, TextPages


@dataclass
class _Page:
    """What is found in one page. A program has several functions and counts once."""

    size: int
    used: int = 0
    names: dict[int, str] = field(default_factory=dict)  # by the program's number


def text_pages(where: Layout) -> TextPages | None:
    """The pages of BPF programs in ``where``; None where programs or page tables are unknown.

    Text that no page table maps is in no page.
    """
    if where.programs is None or where.tables is None:
        return None
    pages: dict[int, _Page] = {}
    for program in where.programs:
        for start, end in program.spans if program.jited_len else ():
            for at, size, used in _pieces(where.tables, start, end):
                page = pages.setdefault(at, _Page(size))
                page.used += used
                page.names[program.id] = program.name or program.tag
    names = sorted({name for page in pages.values() for name in page.names.values()})
    place_of = {name: place for place, name in enumerate(names)}
    base = min(pages, default=0) // LARGE_PAGE * LARGE_PAGE
    return TextPages(
        base=f"{base:x}",
        names=tuple(names),
        pages=tuple(
            TextPage(
                place=(at - base) // PAGE,
                size=page.size // PAGE,
                used=page.used,
                in_image=where.text_map is not None and where.text_map.in_last_page(at),
                programs=tuple(
                    sorted(Counter(place_of[name] for name in page.names.values()).items())
                ),
            )
            for at, page in sorted(pages.items())
        ),
    )


def _pieces(tables: PageTables, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Page, its size, and bytes in it, of the text [start, end), as far as it is mapped."""
    while start < end and (hit := tables.find(start)) is not None:
        page = start - start % hit.page_bytes
        stop = min(end, page + hit.page_bytes)
        yield page, hit.page_bytes, stop - start
        start = stop
