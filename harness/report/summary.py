# SPDX-License-Identifier: GPL-2.0-only
"""What each build did against the baseline, in sentences made from the data alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.comparison import Block, Cell, Row
from harness.analysis.stats import Method, Ratio, Verdict
from harness.report import wording
from harness.report.decisive import Decided

NONE, NEW, NO_RATIO, CHANCE = "none", "new", "no ratio", "chance"
"""Groups of a sentence beside those of the verdicts."""


@dataclass(frozen=True, kw_only=True)
class Clause:
    """One reading of one build. ``group`` is a verdict's value or one of those above."""

    group: str
    head: str  # words that begin the group: "fewer", "no difference in"
    body: str
    smallest: float | None = None  # change that would have been seen, where there is none


def sentence(block: Block, build: str, lines: Sequence[Decided]) -> str:
    """``fewer 4 kB walks (×0.29 [0.28, 0.29]); no difference in 2 MB walks (...).``

    "" when nothing of ``lines`` is known for ``build``.
    """
    rows = [(line, line.row) for line in lines if line.curve is None and not line.sizes]
    clauses = [clause for line, row in rows if (clause := _clause(line.noun, row, block, build))]
    return "; ".join([*_entries(block, build, lines), *_grouped(clauses), *_seeds(rows, build)])


def _seeds(rows: Sequence[tuple[Decided, Row]], build: str) -> Iterator[str]:
    """How many seeds the intervals are over."""
    ratios = [ratio for _, row in rows if (ratio := row.cells[build].ratio) is not None]
    counts = sorted({r.n for r in ratios if r.low is not None and r.method is not Method.CONSTANT})
    if counts:
        shown = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        yield f"95 % intervals over {shown} seeds"


_ORDER = (
    Verdict.LOWER.value,
    Verdict.HIGHER.value,
    NEW,
    Verdict.NO_DIFFERENCE.value,
    NONE,
    CHANCE,
    Verdict.UNDECIDED.value,
    Verdict.ONE_SEED.value,
    NO_RATIO,
)


def _grouped(clauses: Sequence[Clause]) -> Iterator[str]:
    for group in _ORDER:
        heads = dict.fromkeys(clause.head for clause in clauses if clause.group == group)
        for head in heads:
            own = [c for c in clauses if (c.group, c.head) == (group, head)]
            seen = max((c.smallest for c in own if c.smallest is not None), default=None)
            told = "" if seen is None else f", where ×{wording.factor(seen)} would have shown"
            yield f"{head} {_listed([c.body for c in own])}{told}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _clause(noun: str, row: Row, block: Block, build: str) -> Clause | None:
    cell = row.cells[build]
    ratio = cell.ratio
    if not cell.values or ratio is None:
        return None  # told as not counted
    if ratio.value is None:
        return _without_ratio(noun, row, cell, ratio, block.baseline)
    verdict = ratio.verdict
    fewer, more = _words(row.unit)
    if verdict is Verdict.ONE_SEED:
        body = f"{noun} ×{wording.factor(ratio.value)}"
        return Clause(group=verdict.value, head="one seed, so no interval:", body=body)
    if verdict is Verdict.UNDEFINED:
        body = f"{noun} (×{wording.factor(ratio.value)}, {ratio.reason})"
        return Clause(group=NO_RATIO, head="undecided:", body=body)
    if verdict is Verdict.UNDECIDED:
        if ratio.chance:
            head = (
                f"different if read alone, not among {wording.plural(ratio.among, 'comparison')}:"
            )
            return Clause(group=CHANCE, head=head, body=f"{noun} ({_size(ratio)})")
        size = f"about ×{wording.order(ratio.value)}" if ratio.vague else wording.ratio(ratio)
        body = f"{noun} ({size}; {wording.settle(ratio)})"
        return Clause(group=verdict.value, head="undecided:", body=body)
    heads = {
        Verdict.LOWER: fewer,
        Verdict.HIGHER: more,
        Verdict.NO_DIFFERENCE: "no difference in",
    }
    return Clause(
        group=verdict.value,
        head=heads[verdict],
        body=f"{noun} ({_size(ratio)})",
        smallest=ratio.smallest if verdict is Verdict.NO_DIFFERENCE else None,
    )


def _size(ratio: Ratio) -> str:
    """By how much, of a ratio whose interval is on one side of 1 or shows no difference."""
    if ratio.value == 0 and ratio.method is Method.CONSTANT:
        return "none left"
    if not ratio.vague or ratio.value is None or ratio.low is None or ratio.high is None:
        return wording.ratio(ratio)
    lower = ratio.high < 1
    bound = (
        f"at most ×{wording.factor(ratio.high)}"
        if lower
        else f"at least ×{wording.factor(ratio.low)}"
    )
    return f"{bound}; size undecided, about ×{wording.order(ratio.value)}: {wording.settle(ratio)}"


def _without_ratio(noun: str, row: Row, cell: Cell, ratio: Ratio, baseline: str) -> Clause:
    if "both are 0" in ratio.reason:
        return Clause(group=NONE, head="none in either:", body=noun)
    if "the baseline is 0" in ratio.reason and cell.summary is not None:
        unit = f"{row.per.value and '/' + row.per.value}"
        shown = f"{wording.number(cell.summary.median, row.unit)}{unit}"
        return Clause(group=NEW, head=f"where {baseline} has none:", body=f"{noun}, {shown}")
    return Clause(group=NO_RATIO, head="no ratio:", body=f"{noun} ({ratio.reason})")


def _words(unit: str) -> tuple[str, str]:
    """``fewer`` of what is counted, ``less`` of bytes, ``lower`` of times and rates."""
    base, _, per = unit.partition("/")
    if base in ("B", "kB") and not per:
        return "less", "more"
    if base in ("s", "ns", "us", "ms", "share", "10^6") or per not in ("", "s", "op"):
        return "lower", "higher"
    return "fewer", "more"


def _entries(block: Block, build: str, lines: Sequence[Decided]) -> Iterator[str]:
    """Page-table entries by size, as they are: of different sizes there is no ratio."""
    for line in lines:
        if not line.sizes:
            continue
        shown, base = entries(line, build), entries(line, block.baseline)
        if shown and base and shown != base:
            yield f"{line.noun}: {shown} instead of {base}"


def entries(line: Decided, build: str) -> str:
    """``17 of 4 kB``, ``1 of 2 MB``: medians over seeds; "" where a size is unknown."""
    sizes = {"4k": "4 kB", "2m": "2 MB", "1g": "1 GB"}
    shown = []
    for row in line.sizes:
        summary = row.cells[build].summary
        if summary is None:
            return ""
        if summary.median:
            size = sizes[row.metric.name.rpartition("_")[2]]
            shown.append(f"{wording.number(summary.median)} of {size}")
    return ", ".join(shown) or "none"
