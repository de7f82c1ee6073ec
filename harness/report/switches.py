# SPDX-License-Identifier: GPL-2.0-only
"""Why there are so many walks: those after each context switch, times the switches.

Entries that are not global go at a context switch, so what is walked anew after it are the pages
that were touched in the time slice.
"""

from collections.abc import Iterable, Mapping, Sequence

from harness.analysis.comparison import Block, Per, Row
from harness.analysis.derive import PREFERRED
from harness.metrics.catalogue import SWITCHES
from harness.model.reading import Source
from harness.report import wording
from harness.report.decisive import Decided

WALKS = "itlb.walk_completed_4k"
SOURCES = tuple(s for s in PREFERRED if s in (Source.PERF, Source.KERNEL))
"""Who counts context switches, in the order in which walks are divided by them."""


def arithmetic(blocks: Iterable[Block], lines: Mapping[str, Sequence[Decided]]) -> tuple[str, ...]:
    """A sentence that has the 4 kB walks of each build as a product; none where no line is of
    them per second.

    ``lines``: of the answer, by isolation setting. Medians over seeds; builds of which a factor is
    not known are left out.
    """
    told = []
    for block in blocks:
        decided = [line.row for line in lines[block.settings.pti] if _is_total(line.row)]
        products = [words for row in decided[:1] for words in _products(block, row)]
        if products:
            told.append(f"pti={block.settings.pti}: {', '.join(products)}")
    if not told:
        return ()
    return (
        f"4 kB walks a second = context switches a second × walks after each: {'; '.join(told)}.",
    )


def _is_total(row: Row) -> bool:
    return (row.metric.name, row.per, row.label("origin")) == (WALKS, Per.SECOND, "all")


def _products(block: Block, total: Row) -> list[str]:
    each = _row(block, WALKS, total.source, total.labels, total.window, Per.SWITCH)
    switches = next((r for s in SOURCES if (r := _switches(block, s, total.window))), None)
    if each is None or switches is None:
        return []
    rows = (total, switches, each)
    return [
        "{} {} = {} × {}".format(build, *(_median(row, build) for row in rows))
        for build in block.builds
        if all(row.cells[build].summary for row in rows)
    ]


def _switches(block: Block, source: Source, window: str) -> Row | None:
    labels = {Source.KERNEL: (("phase", "window"),), Source.PERF: (("origin", "all"),)}
    return _row(block, SWITCHES, source, labels[source], window, Per.SECOND)


def _row(
    block: Block,
    name: str,
    source: Source,
    labels: tuple[tuple[str, str], ...],
    window: str,
    per: Per,
) -> Row | None:
    like = (name, source, labels, window, per)
    return next(
        (
            row
            for row in block.rows
            if (row.metric.name, row.source, row.labels, row.window, row.per) == like
        ),
        None,
    )


def _median(row: Row, build: str) -> str:
    summary = row.cells[build].summary
    return wording.number(summary.median) if summary else ""
