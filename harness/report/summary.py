# SPDX-License-Identifier: GPL-2.0-only
"""What was found, in sentences made from the data alone."""

from collections.abc import Iterator

from harness.analysis.compare import Block, Cell, Comparison, Per, Row
from harness.analysis.stats import Verdict
from harness.metrics.catalogue import ORIGIN_TITLES
from harness.model import Source
from harness.report import text

MAIN: tuple[tuple[str, str], ...] = (
    ("itlb.walk_completed_4k", "all"),
    ("itlb.walk_completed_4k", "bpf"),
    ("itlb.stlb_hit", "all"),
    ("itlb.walk_completed_2m_4m", "all"),
    ("iTLB-load-misses", "all"),
)
"""Readings (name, origin) that the sentences are about."""


FACTS: tuple[tuple[str, tuple[str, str]], ...] = (
    ("bpf.text.pages_4k", ("at", "close")),
    ("bpf.text.pages_2m", ("at", "close")),
    ("bpf.text.mapped_bytes", ("at", "close")),
    ("direct_map.splits_2m", ("phase", "load")),
    ("tlb.remote_flush", ("phase", "load")),
    ("wx.mappings", ("at", "close")),
)
"""Facts (name, label) that are told beside them, as they are, with no statistics."""


def sentences(comparison: Comparison) -> tuple[str, ...]:
    """One sentence per table and build other than the baseline, in table order."""
    return tuple(line for block in comparison.blocks for line in block_sentences(block))


def block_sentences(block: Block) -> tuple[str, ...]:
    """What one table says of each build against the baseline."""
    if not block.baseline:
        return ()
    head = f"{block.settings.workload}, pti={block.settings.pti}"
    others = [build for build in block.builds if build != block.baseline]
    return tuple(
        f"{head}: {build} against {block.baseline}{what}: {'; '.join(found)}."
        for build in others
        for what, clauses in (("", _findings), (", facts", _facts))
        if (found := tuple(clauses(block, build)))
    )


def _findings(block: Block, build: str) -> Iterator[str]:
    """One clause per main reading; the seeds are said once, with the last clause."""
    rows = main_rows(block)
    ratios = [row.cells[build].ratio for row in rows]
    counts = {found.n for found in ratios if found is not None and found.value is not None}
    once = len(counts) == 1
    for row in rows:
        what = row.metric.title
        origin = row.label("origin")
        if origin not in ("", "all"):
            what += f" of {ORIGIN_TITLES.get(origin, origin)}"
        what += {Per.SECOND: " per second", Per.OPERATION: " per operation", Per.TOTAL: ""}[row.per]
        if row.source is Source.PERF:
            what += " by perf"
        if len(block.windows) > 1:
            what += f" in window {row.window}"
        yield finding(what, row.cells[build], seeds=not once)
    if once:
        seeds = counts.pop()
        yield "one seed, so no interval" if seeds == 1 else f"95 % intervals over {seeds} seeds"


def _facts(block: Block, build: str) -> Iterator[str]:
    """``4 kB pages covering BPF text 0 instead of 22``: medians over seeds."""
    rows: dict[tuple[str, tuple[str, str]], list[Row]] = {}
    for row in block.rows:
        for label in row.labels:
            rows.setdefault((row.metric.name, label), []).append(row)
    for wanted in FACTS:
        if wanted not in rows:
            continue
        # Counted calls where a kernel does not count by itself; never one against the other.
        known = [r for r in rows[wanted] if all(r.cells[b].values for b in (build, block.baseline))]
        row = (known or rows[wanted])[0]
        ours, base = row.cells[build].summary, row.cells[block.baseline].summary
        if ours is None or base is None:
            yield f"{row.metric.title} unknown"
            continue
        old, new = text.number(base.median, row.unit), text.number(ours.median, row.unit)
        phase = " while loading" if "phase" in dict(row.labels) else ""
        change = new if new == old else f"{new} instead of {old}"
        yield f"{row.metric.title}{phase} {change}" + (" in both" if new == old else "")


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


def finding(what: str, cell: Cell, *, seeds: bool = True) -> str:
    """``fewer 4 kB walks per second, ×0.76 [0.74, 0.78] (5 seeds)``."""
    found = cell.ratio
    if not cell.values:
        reason = cell.unknown[0].reason if cell.unknown else "no trial gave a result"
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
        Verdict.UNDECIDED: f"undecided: {what}",
        Verdict.ONE_SEED: what,
        Verdict.UNDEFINED: what,
    }
    reason = f", {found.reason}" if found.verdict is Verdict.UNDEFINED else ""
    tail = f" ({text.plural(found.n, 'seed')}{reason})" if seeds or reason else ""
    said = text.ratio(found)
    if found.verdict is Verdict.ONE_SEED:
        said, tail = f"×{text.factor(found.value)}", " (1 seed)" if seeds else ""
    return f"{words[found.verdict]}, {said}{tail}"
