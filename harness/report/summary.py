# SPDX-License-Identifier: GPL-2.0-only
"""What was found, in sentences made from the data alone."""

from collections.abc import Iterator

from harness.analysis.catalogue import ORIGIN_TITLES
from harness.analysis.compare import Block, Cell, Comparison, Per, Row
from harness.analysis.stats import Method, Ratio, Verdict
from harness.report import text

MAIN: tuple[tuple[str, str], ...] = (
    ("itlb.walk_completed_4k", "all"),
    ("itlb.walk_completed_4k", "bpf"),
    ("itlb.stlb_hit", "all"),
    ("itlb.walk_completed_2m_4m", "all"),
    ("iTLB-load-misses", ""),
)
"""Readings (name, origin) that the sentences are about."""


def sentences(comparison: Comparison) -> tuple[str, ...]:
    """One sentence per table and build other than the baseline, in table order."""
    return tuple(line for block in comparison.blocks for line in block_sentences(block))


def block_sentences(block: Block) -> tuple[str, ...]:
    """What one table says of each build against the baseline."""
    if not block.baseline:
        return ()
    return tuple(
        _sentence(block, build)
        for build in block.builds
        if build != block.baseline and any(_findings(block, build))
    )


def _sentence(block: Block, build: str) -> str:
    head = f"{block.settings.workload}, pti={block.settings.pti}: {build} against {block.baseline}"
    return f"{head}: {'; '.join(_findings(block, build))}."


def _findings(block: Block, build: str) -> Iterator[str]:
    for row in main_rows(block):
        what = row.metric.title
        origin = row.label("origin")
        if origin not in ("", "all"):
            what += f" of {ORIGIN_TITLES.get(origin, origin)}"
        what += {Per.SECOND: " per second", Per.OPERATION: " per operation", Per.TOTAL: ""}[row.per]
        if len(block.windows) > 1:
            what += f" in window {row.window}"
        yield finding(what, row.cells[build])


def main_rows(block: Block) -> list[Row]:
    """The rows that sentences are about: per second, else per operation, else totals."""
    chosen: dict[tuple[str, str, str, str], Row] = {}
    rank = {Per.SECOND: 0, Per.OPERATION: 1, Per.TOTAL: 2}
    for row in block.rows:
        key = (row.metric.name, row.label("origin"), row.source.value, row.window)
        if key[:2] not in MAIN or row.window not in block.windows:
            continue
        if key not in chosen or rank[row.per] < rank[chosen[key].per]:
            chosen[key] = row
    return sorted(chosen.values(), key=lambda r: MAIN.index((r.metric.name, r.label("origin"))))


def finding(what: str, cell: Cell) -> str:
    """``fewer 4 kB walks per second (×0.76, 95 % interval 0.74 to 0.78, 5 seeds)``."""
    found = cell.ratio
    if not cell.values:
        reason = cell.unknown[0].reason if cell.unknown else "not reported"
        return f"{what} unknown ({reason})"
    if found is None or found.value is None:
        if found is not None and "both are 0" in found.reason:
            return f"no {what} in either"
        reason = found.reason if found is not None else "no baseline"
        return f"no ratio for {what} ({reason})"
    words = {
        Verdict.LOWER: f"fewer {what}",
        Verdict.HIGHER: f"more {what}",
        Verdict.NO_DIFFERENCE: f"no difference in {what}",
        Verdict.ONE_SEED: f"{what}, one seed only",
        Verdict.UNDEFINED: f"{what}, no interval",
    }
    return f"{words[found.verdict]} ({_evidence(found)})"


def _evidence(found: Ratio) -> str:
    assert found.value is not None
    seeds = text.plural(found.n, "seed")
    if found.method is Method.CONSTANT:
        return f"×{text.factor(found.value)} at each of {seeds}"
    if found.low is None or found.high is None:
        tail = "" if found.verdict is Verdict.ONE_SEED else f", {found.reason}, {seeds}"
        return f"×{text.factor(found.value)}{tail}"
    width = found.high - found.low
    low, high = text.factor(found.low, width), text.factor(found.high, width)
    return f"×{text.factor(found.value, width)}, 95 % interval {low} to {high}, {seeds}"
