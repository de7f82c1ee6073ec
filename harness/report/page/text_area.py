# SPDX-License-Identifier: GPL-2.0-only
"""The map of the text area: which pages hold BPF programs, and how full they are.

A cell is a page of 4 kB, a block a page of 2 MB. Runs of pages that hold none are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model.records import TextPage, TextPages
from harness.report import wording
from harness.report.page.shapes import TEXT, Drawing, Rect, Shape, Text

PAGE = 4096
LARGE = 512
"""A page of 2 MB, in 4 kB."""
ACROSS = 32
"""Cells in a line."""
CELL = 10.0
LEFT = 8.0
SHADES = 5
"""Shades of a cell: how much of the page is text of programs."""
MOST_NAMES = 4
"""Names that the tip of a page tells."""
MOST_CELLS = 512
"""Pages of 4 kB that have a cell each; of more, lines of ACROSS pages have a cell a line."""


@dataclass(frozen=True, kw_only=True)
class Fill:
    """Pages that follow each other and are drawn as one."""

    pages: int
    used: int  # bytes
    programs: int
    names: tuple[str, ...]

    @property
    def share(self) -> float:
        return self.used / (self.pages * PAGE)


def summary(pages: TextPages) -> tuple[tuple[str, int, int, int], ...]:
    """Kind of page, how many, programs with text in them, and bytes of text: the map as a table."""
    kinds = {
        "4 kB": [p for p in pages.pages if p.size == 1],
        "2 MB": [p for p in pages.pages if p.size > 1 and not p.in_image],
        "2 MB, the kernel image's own": [p for p in pages.pages if p.size > 1 and p.in_image],
    }
    return tuple(
        (kind, len(those), sum(map(_programs, those)), sum(p.used for p in those))
        for kind, those in kinds.items()
        if those
    )


def _programs(page: TextPage) -> int:
    return sum(count for _, count in page.programs)


def text_area(title: str, pages: TextPages) -> Drawing:
    """The picture: pages of 2 MB as blocks, below them pages of 4 kB as cells."""
    shapes: list[Shape] = []
    top = 0.0
    for page in (p for p in pages.pages if p.size > 1):
        shapes += _block(page, pages, top)
        top += 5 * CELL
    small = [p for p in pages.pages if p.size == 1]
    if small:
        each = 1 if len(small) <= MOST_CELLS else -(-len(small) // MOST_CELLS)
        cells = list(_cells(small, pages, each))
        told = f"{wording.plural(len(small), 'page')} of 4 kB" + (
            f", {each} a cell" if each > 1 else ""
        )
        shapes.append(Text(x=LEFT, y=top + TEXT, text=told))
        top += TEXT + 6
        for i, fill in enumerate(cells):
            x, y = LEFT + i % ACROSS * CELL, top + i // ACROSS * CELL
            shapes.append(_rect(x, y, CELL - 1, CELL - 1, fill))
        top += -(-len(cells) // ACROSS) * CELL + 4
    if not pages.pages:
        shapes.append(Text(x=LEFT, y=TEXT, text="no program", style="faint"))
        top = 2 * TEXT
    return Drawing(title=title, description=_words(pages), height=top, shapes=tuple(shapes))


def _block(page: TextPage, pages: TextPages, top: float) -> Iterator[Shape]:
    where = "kernel image's 2 MB page" if page.in_image else "2 MB page"
    fill = _fill([page], pages)
    told = f"{where}: {wording.plural(fill.programs, 'program')}, {wording.number(page.used, 'B')}"
    yield Text(x=LEFT, y=top + TEXT, text=told)
    width = ACROSS * CELL - 1
    yield Rect(x=LEFT, y=top + TEXT + 6, width=width, height=2 * CELL, style="page", tip=_tip(fill))
    share = max(1.0, fill.share * width)
    yield Rect(x=LEFT, y=top + TEXT + 6, width=share, height=2 * CELL, style="used", tip=_tip(fill))


def _cells(small: Sequence[TextPage], pages: TextPages, each: int) -> Iterator[Fill]:
    for i in range(0, len(small), each):
        yield _fill(small[i : i + each], pages)


def _fill(those: Sequence[TextPage], pages: TextPages) -> Fill:
    counts: dict[str, int] = {}
    for page in those:
        for place, count in page.programs:
            counts[pages.names[place]] = counts.get(pages.names[place], 0) + count
    return Fill(
        pages=sum(page.size for page in those),
        used=sum(page.used for page in those),
        programs=sum(counts.values()),
        names=tuple(sorted(counts, key=lambda name: (-counts[name], name))),
    )


def _rect(x: float, y: float, width: float, height: float, fill: Fill) -> Rect:
    shade = min(SHADES - 1, int(fill.share * SHADES))
    return Rect(x=x, y=y, width=width, height=height, style=f"u{shade}", tip=_tip(fill))


def _tip(fill: Fill) -> str:
    names = ", ".join(fill.names[:MOST_NAMES]) + (", …" if len(fill.names) > MOST_NAMES else "")
    programs = wording.plural(fill.programs, "program")
    return f"{programs}, {wording.number(fill.used, 'B')} of text: {names}"


def _words(pages: TextPages) -> str:
    told = [
        f"{wording.plural(programs, 'program')} with {wording.number(used, 'B')} of text in "
        f"{wording.plural(count, 'page')} of {kind}"
        for kind, count, programs, used in summary(pages)
    ]
    return ("; ".join(told) or "no program") + "."
