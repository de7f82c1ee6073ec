# SPDX-License-Identifier: GPL-2.0-only
"""Named texts with most walks as a table of texts."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.analysis.comparison import Block
from harness.analysis.sites import SiteCell
from harness.model.records import MAX_SITES
from harness.report import wording

TOP = 10
"""Names with a line for each build; exports have all that trials name."""

TITLE = "named text with most walks"
COLUMNS = ("text", "origin", "build", "texts", "4 kB walks", "2 MB walks", "STLB hits")
RARE = {"walks_coalesced_4k": "coalesced walks", "walks_1g": "1 GB walks"}
"""Columns where there are any, by the count that they show."""


@dataclass(frozen=True, kw_only=True)
class NamedTable:
    """``rows`` as texts, in the order of ``columns``: a line for each name and build."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def named_table(block: Block) -> NamedTable | None:
    """The named texts of ``block``; None when no trial names any."""
    if not block.sites:
        return None
    shown = block.sites[:TOP]
    counted = [c.counts for row in shown for c in row.cells.values() if c.counts]
    rare = [name for name in RARE if any(getattr(counts, name) for counts in counted)]
    rows: list[tuple[str, ...]] = []
    for row in shown:
        head = (row.name, row.origin)
        for build in block.builds:
            cells = _cells(row.cells[build], rare)
            rows.append((*head, _build(build, row.cells[build], len(block.seeds[build])), *cells))
            head = ("", "")
    return NamedTable(
        columns=(*COLUMNS, *(RARE[name] for name in rare)),
        rows=tuple(rows),
        notes=_notes(block, len(block.sites) - len(shown)),
    )


def _build(build: str, cell: SiteCell, seeds: int) -> str:
    """The build, and at how many seeds the text is named where it is not at all of them."""
    return f"{build}, {cell.seeds} of {seeds} seeds" if 0 < cell.seeds < seeds else build


def _cells(cell: SiteCell, rare: Sequence[str]) -> Sequence[str]:
    counts = cell.counts
    if counts is None:
        return ("not named", *("unknown",) * (3 + len(rare)))
    texts = wording.number(counts.texts) + ("+" if cell.cut else "")
    values = [counts.walks_4k, counts.walks_2m_4m, counts.stlb_hits]
    values += [getattr(counts, name) for name in rare]
    return (texts, *map(wording.number, values))


def _notes(block: Block, left: int) -> tuple[str, ...]:
    notes = [
        "Sums in the window over all texts of a name, programs without their numbers: medians "
        f"over the seeds that name it. A trial names its {MAX_SITES} texts with most misses in a "
        "window; one that it does not name is unknown there, not 0."
    ]
    if any(cell.cut for row in block.sites for cell in row.cells.values()):
        notes.append("+: some trial named as many texts as it can; there may be more of the name.")
    if left:
        notes.append(f"{wording.plural(left, 'more name')} not shown: see `export`")
    return tuple(notes)
