# SPDX-License-Identifier: GPL-2.0-only
"""Walks as folded stacks, which speedscope and flame graphs read: a line for each text.

A stack is build, isolation, whose text, name, page size; its count the walks in the measured
windows, medians over seeds. What a trial does not name is one stack of its origin.
"""

from collections.abc import Iterator

from harness.analysis.comparison import Block, Comparison, Per
from harness.metrics.catalogue import ORIGIN_TITLES
from harness.model.reading import Source
from harness.report.walk_parts import PARTS, SIZES

FIELDS = {
    "itlb.walk_completed_4k": "walks_4k",
    "itlb.walk_completed_coalesced_4k": "walks_coalesced_4k",
    "itlb.walk_completed_2m_4m": "walks_2m_4m",
    "itlb.walk_completed_1g": "walks_1g",
}
"""Of the counts of a named text, by reading."""
NOT_NAMED = "(not named)"
NAMED = {"bpf": ("bpf_prog", "bpf_trampoline", "bpf_dispatcher")}
"""Origins of named texts, by the part that they are of; of all others: the rest."""


def folded(comparison: Comparison) -> str:
    """``comparison`` as folded stacks; only what is known and not 0 is in it."""
    lines = [line for block in comparison.blocks for line in _of_block(block)]
    return "".join(f"{line}\n" for line in lines)


def _of_block(block: Block) -> Iterator[str]:
    for build in block.builds:
        head = (block.settings.workload, f"pti={block.settings.pti}", build)
        for reading, size in SIZES.items():
            for part in PARTS:
                total = _total(block, build, reading, part)
                if total is None:
                    continue
                named = _named(block, build, part, FIELDS[reading])
                stack = (*head, ORIGIN_TITLES[part])
                for name, walks in named.items():
                    yield _line((*stack, name, size), walks)
                rest = round(total) - sum(named.values())
                if rest > 0:
                    yield _line((*stack, *((NOT_NAMED,) if named else ()), size), rest)


def _total(block: Block, build: str, reading: str, part: str) -> float | None:
    """Walks of ``part`` in the measured windows; None where one is not known."""
    rows = [
        row
        for row in block.rows
        if row.metric.name == reading
        and row.source is Source.MODEL
        and row.per is Per.TOTAL
        and row.window in block.windows
        and row.labels == (("origin", part),)
    ]
    medians = [s.median if (s := row.cells[build].summary) else None for row in rows]
    known = [median for median in medians if median is not None]
    return sum(known) if known and len(known) == len(medians) else None


def _named(block: Block, build: str, part: str, field: str) -> dict[str, int]:
    every = {origin for of_part in NAMED.values() for origin in of_part}
    counts: dict[str, int] = {}
    for row in block.sites:
        own = row.origin in NAMED[part] if part in NAMED else row.origin not in every
        cell = row.cells[build].counts
        if part in ("bpf", "rest") and own and cell is not None:
            walks = round(getattr(cell, field))
            if walks:
                counts[row.name] = counts.get(row.name, 0) + walks
    return counts


def _line(stack: tuple[str, ...], count: int) -> str:
    """Frames must not hold what separates them."""
    return ";".join(frame.replace(";", ",").replace("\n", " ") for frame in stack) + f" {count}"
