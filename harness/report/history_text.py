# SPDX-License-Identifier: GPL-2.0-only
"""A history in words: did anything change, which kernel, how much, since when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.history import Change, History, Kind, NoComparison, Step, regressions
from harness.metrics.catalogue import MEASURED, ORIGIN_TITLES
from harness.report import wording
from harness.report.tables import label_words

MOST_NIGHTS = 10
"""Nights with a change that are told, the newest first, unless all are asked for."""
MOST_CHANGES = 6
"""Changed readings of a step that are told, unless all are asked for."""

_ORDER = (Kind.REAL, Kind.ONE_SEED, Kind.LOST, Kind.FOUND, Kind.LAYOUT)


@dataclass(frozen=True, kw_only=True)
class HistoryLine:
    """``tone``: better | worse | unknown | strong | "". ``depth``: how far it is indented."""

    text: str
    tone: str = ""
    depth: int = 0
    run: str = ""  # the night that it is the heading of


SEE_FULL = "see --full"


def lines(given: History, *, full: bool = False, rest: str = SEE_FULL) -> Iterator[HistoryLine]:
    """The history, the newest night first; ``rest`` says where that is which is left out."""
    last = given.last
    nights = wording.plural(len(given.nights), "night")
    yield HistoryLine(
        text=f"{nights}, {given.nights[0].created[:10]} to {last.created[:10]}; "
        f"{', '.join(given.builds)}; {given.series:,} series"
    )
    yield headline(given)
    yield from (HistoryLine(text=text) for text in _measured(given))
    runs = [night.run for night in reversed(given.nights) if given.of(night.run)]
    shown = runs if full else runs[:MOST_NIGHTS]
    for run in shown:
        yield HistoryLine(text=run, tone="strong", run=run)
        for step in given.of(run):
            yield from _step(step, full, rest)
    if len(runs) > len(shown):
        more = wording.plural(len(runs) - len(shown), "more night")
        yield HistoryLine(text=f"and {more} with changes: {rest}")
    if not runs:
        yield HistoryLine(text="no value has changed on any night")
    gaps = given.gaps if full else given.gaps[-MOST_NIGHTS:]
    yield from (HistoryLine(text=_gap(gap), tone="unknown") for gap in gaps)
    if len(given.gaps) > len(gaps):
        yield HistoryLine(text=f"and {len(given.gaps) - len(gaps)} more that could not be compared")


def of_night(given: History, run: str) -> Iterator[HistoryLine]:
    """What changed in ``run``, every reading of it."""
    for step in given.of(run):
        yield from _step(step, True, "")
    if not given.of(run):
        yield HistoryLine(text="nothing changed against the night before")


def headline(given: History) -> HistoryLine:
    """What the last night brought, in a sentence."""
    last = given.last
    steps = given.of(last.run)
    failed = f"; {wording.plural(last.failed, 'trial')} without a result" if last.failed else ""
    if any(step.fault for step in steps):
        where = _builds([step for step in steps if step.fault])
        text = f"last night: values of {where} changed and no input did: a fault of the lab{failed}"
        return HistoryLine(text=text, tone="worse")
    worse = regressions(steps)
    if worse:
        step, change = min(worse, key=lambda found: _rank(found[1]))
        first = f"{title(change)} with pti={step.settings.pti}"
        more = f" and {len(worse) - 1} more" if len(worse) > 1 else ""
        where = _builds([step for step, _ in worse])
        return HistoryLine(text=f"last night: {where} worse: {first}{more}{failed}", tone="worse")
    if last.measured and last.measured == last.trials:
        many = wording.plural(last.measured, "trial")
        return HistoryLine(text=f"last night: {many} of modes with noise: not judged here{failed}")
    if not last.compared:
        alone = len(given.nights) == 1
        text = "the first night" if alone else "last night: no seed, build and setting of before"
        return HistoryLine(
            text=f"{text}: nothing to compare with{failed}", tone="" if alone else "worse"
        )
    kinds = {change.kind for step in steps for change in step.changes}
    if Kind.ONE_SEED in kinds and not kinds & {Kind.REAL, Kind.LAYOUT}:
        every = sum(len(step.changes) for step in steps)
        text = f"last night: {wording.plural(every, 'reading')} of {_builds(steps)} changed; "
        return HistoryLine(text=f"{text}one seed cannot tell a change from luck{failed}")
    if steps:
        real = sum(c.kind is Kind.REAL for step in steps for c in step.changes)
        every = sum(len(step.changes) for step in steps)
        text = f"last night: {wording.plural(every, 'reading')} of {_builds(steps)} changed, "
        return HistoryLine(text=f"{text}{real or 'none'} of them real, none worse{failed}")
    since = next((n.created[:10] for n in reversed(given.nights) if given.of(n.run)), "")
    ever = f"; the last change was on {since}" if since else ""
    return HistoryLine(
        text=f"last night: nothing changed{ever}{failed}", tone="worse" if failed else "better"
    )


def title(change: Change) -> str:
    """``4 kB walks, BPF text: ×1.31 [1.28, 1.34]``."""
    labels = [(k, v) for k, v in change.labels if (k, v) != ("window", MEASURED)]
    words = ", ".join((change.metric.title, *label_words(labels)))
    return f"{words}: {_how(change)}"


def _how(change: Change) -> str:
    if change.kind in (Kind.LOST, Kind.FOUND):
        return "is unknown now" if change.kind is Kind.LOST else "was unknown before"
    if change.ratio is not None and change.ratio.value is not None:
        return wording.ratio(change.ratio, all_of_it=True)
    seed = min(change.before)
    old, new = change.before[seed], change.after[seed]
    assert old is not None and new is not None
    shown = [wording.number(value, change.metric.unit) for value in (old, new)]
    return f"{shown[0]} → {shown[1]} at seed {seed}"


def _step(step: Step, full: bool, rest: str) -> Iterator[HistoryLine]:
    kinds = [change.kind for change in step.changes]
    counts = ", ".join(f"{kinds.count(kind)} {kind.value}" for kind in _ORDER if kinds.count(kind))
    why = ", ".join(step.inputs) if step.inputs else "NO INPUT: a fault of the lab"
    yield HistoryLine(
        text=f"{step.build}, {step.settings.workload}, pti={step.settings.pti}: "
        f"{wording.plural(len(kinds), 'reading')} changed ({counts}) with {why}; "
        f"{wording.seeds_line(step.seeds)}, against {step.since}",
        tone="worse" if step.fault else "",
        depth=1,
    )
    ordered = sorted(step.changes, key=_rank)
    shown = ordered if full else [c for c in ordered if _main(c)][:MOST_CHANGES]
    for change in shown:
        tone = "worse" if change.worse else "better" if change.better else ""
        kind = f"{change.kind.value}, {tone}" if tone else change.kind.value
        yield HistoryLine(text=f"{kind}: {title(change)}", tone=tone, depth=2)
    if len(shown) < len(ordered):
        yield HistoryLine(text=f"and {len(ordered) - len(shown)} more: {rest}", depth=2)


def _main(change: Change) -> bool:
    """Not of luck, and of texts that tables show."""
    shown = dict(change.labels).get("origin", "all") in ORIGIN_TITLES
    return change.kind is not Kind.LAYOUT and shown


def _rank(change: Change) -> tuple[int, bool, bool]:
    """Real ones first, of them those of which one direction is better, totals before parts; else
    as tables have them."""
    detail = change.metric.detail or dict(change.labels).get("origin", "all") != "all"
    neutral = not change.metric.better
    return (_ORDER.index(change.kind), neutral, detail)


def _builds(steps: Sequence[Step]) -> str:
    return ", ".join(dict.fromkeys(step.build for step in steps))


def _measured(given: History) -> Iterator[str]:
    if given.measured:
        trials = wording.plural(given.measured, "trial")
        yield (
            f"{trials} of other modes than exact have noise and are not judged here: "
            "--otava writes them for apache-otava, which finds change points"
        )


def _gap(gap: NoComparison) -> str:
    where = f"{gap.build}, {gap.settings.workload}, pti={gap.settings.pti}"
    return f"{gap.run}: {where} not compared: {gap.reason}"
