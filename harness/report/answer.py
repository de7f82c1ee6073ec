# SPDX-License-Identifier: GPL-2.0-only
"""The answer to a workload's question, short enough for a screen.

Tables of equal settings but for page-table isolation are one answer, its settings side by side.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.analysis.comparability import Settings
from harness.analysis.comparison import Block, Cell, Comparison
from harness.model.trial_settings import Pti
from harness.report import wording
from harness.report.decisive import Decided
from harness.report.question_lines import comparisons, question_lines
from harness.report.summary import entries, sentence
from harness.report.switches import arithmetic
from harness.report.tables import TextCell, scale_of, tone, unit
from harness.report.verdict_table import VerdictTable, verdict_table

MAX_LINES = 6
"""Failed trials, notes and readings without a value that have a line each."""
MAX_TESTS = 8
"""Tests that differ or fail that have a line each."""

_OBVIOUS = ("event", "page", "mapping", "insn", "program", "module", "test", "load")
"""Units that say no more than the title."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A build at one isolation setting. ``remark`` is what its figures have that others have not:
    failed trials, other seeds."""

    pti: str
    build: str
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class AnswerLine:
    """A reading; ``cells`` by column."""

    title: str
    unit: str
    cells: tuple[TextCell, ...]


@dataclass(frozen=True, kw_only=True)
class BuildVerdict:
    """What one build did against the baseline, at one isolation setting or at several."""

    build: str
    pti: str  # "pti=on", "pti=on and off"
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One question."""

    workload: str
    question: str  # "" when it is not known here
    settings: str
    params: str
    seeds: str  # of most columns
    baseline: str
    comparisons: int  # ratios that were read together; 0: none was
    columns: tuple[Column, ...]
    lines: tuple[AnswerLine, ...]
    arithmetic: tuple[str, ...]  # how walks come about
    verdicts: tuple[BuildVerdict, ...]
    tests: tuple[TextCell, ...]  # what the kernel's own tests say
    uncounted: tuple[str, ...]
    failures: tuple[str, ...]
    taints: tuple[str, ...]
    notes: tuple[str, ...]


def answers(comparison: Comparison, questions: Mapping[str, str]) -> tuple[Answer, ...]:
    """The answers of ``comparison``, in the order of its tables; ``questions`` by workload."""
    groups: dict[Settings, list[Block]] = {}
    for block in comparison.blocks:
        groups.setdefault(replace(block.settings, pti=Pti.ON), []).append(block)
    return tuple(_answer(blocks, comparison, questions) for blocks in groups.values())


def _answer(
    blocks: Sequence[Block], comparison: Comparison, questions: Mapping[str, str]
) -> Answer:
    first = blocks[0].settings
    pairs = [(block, build) for block in blocks for build in block.builds]
    seeds = [block.seeds[build] for block, build in pairs]
    usual = max(seeds, key=seeds.count, default=())
    lines = question_lines(blocks)
    shared = [one for one in blocks[0].notes if all(one in block.notes for block in blocks)]
    notes = [
        *shared,
        *(
            f"pti={block.settings.pti}: {note}"
            for block in blocks
            for note in block.notes
            if note not in shared
        ),
    ]
    failures = [
        f"{f.build}, pti={block.settings.pti}, seed {f.seed}: {f.kind}: {_joined_lines(f.message)}"
        for block in blocks
        for f in block.failures
    ]
    taints = [
        f"{t.build}, pti={block.settings.pti}, seed {t.seed}: {_joined_lines(t.message)}"
        for block in blocks
        for t in block.taints
    ]
    return Answer(
        workload=first.workload,
        question=questions.get(first.workload, ""),
        settings=wording.settings_line(first, without=("pti",)),
        params=wording.params_line(first),
        seeds=wording.seeds_line(usual),
        baseline=next((block.baseline for block in blocks if block.baseline), ""),
        comparisons=comparisons(lines),
        columns=tuple(
            Column(
                pti=block.settings.pti,
                build=build,
                remark=_remark(block, build, usual),
            )
            for block, build in pairs
        ),
        lines=(*_lines(lines, pairs), *_tests(blocks, pairs)),
        arithmetic=arithmetic(blocks, lines),
        verdicts=tuple(_verdicts(blocks, comparison.builds, lines)),
        tests=tuple(_test_words(blocks)),
        uncounted=_cut(list(_uncounted(blocks, lines)), "reading"),
        failures=_cut(failures, "failed trial"),
        taints=_cut(taints, "warning"),
        notes=_cut(notes, "note"),
    )


def _joined_lines(message: str) -> str:
    return " | ".join(message.splitlines())


def _cut(lines: Sequence[str], noun: str) -> tuple[str, ...]:
    """At most ``MAX_LINES`` of ``lines``, and how many more there are."""
    if len(lines) <= MAX_LINES:
        return tuple(lines)
    more = wording.plural(len(lines) - MAX_LINES + 1, f"more {noun}")
    return (*lines[: MAX_LINES - 1], f"and {more}: see --full")


def _remark(block: Block, build: str, usual: tuple[int, ...]) -> str:
    failed = sum(failure.build == build for failure in block.failures)
    if failed:
        return f"{failed} failed"
    seeds = block.seeds[build]
    return wording.plural(len(seeds), "seed") if seeds != usual else ""


def _lines(
    lines: Mapping[str, Sequence[Decided]], pairs: Sequence[tuple[Block, str]]
) -> Iterator[AnswerLine]:
    by_title = {
        pti: {(one.title, one.row.source, one.row.per): one for one in decided_lines}
        for pti, decided_lines in lines.items()
    }
    keys = dict.fromkeys(key for decided_lines in by_title.values() for key in decided_lines)
    for key in keys:
        here = [decided_lines[key] for decided_lines in by_title.values() if key in decided_lines]
        scale = max(scale_of(one.row) for one in here)
        cells = []
        for block, build in pairs:
            one = by_title[block.settings.pti].get(key)
            cells.append(_left_out(here[0], block) if one is None else _cell(one, build, scale))
        shown = unit(here[0].row, scale)
        title = here[0].title
        yield AnswerLine(title=title, unit="" if shown in _OBVIOUS else shown, cells=tuple(cells))


def _left_out(line: Decided, block: Block) -> TextCell:
    """A line that another setting shows: 0 where that is why it is left out here."""
    read = any(row.metric.name == line.row.metric.name for row in block.rows)
    if line.expected_0 and read:
        return TextCell(value="0")
    return TextCell(value="no result", tone="unknown")


def _cell(line: Decided, build: str, scale: int) -> TextCell:
    if line.curve is not None:
        rows = line.curve.rows
        ends = [rows[0], rows[-1]]
        words = [_value(row.cells[build], row.unit, 1) for row in ends]
        return TextCell(value=" → ".join(words) if words[0] != words[1] else words[0])
    cell = line.row.cells[build]
    if line.sizes and (shown := entries(line, build)):
        value, _, more = shown.partition(", " if ", " in shown else " ")
        return TextCell(value="0" if shown == "none" else value, ratio=more)
    value = _value(cell, line.row.unit, scale)
    if cell.summary is None:
        return TextCell(value=value, tone="unknown")
    if cell.ratio is None or line.sizes:
        return TextCell(value=value)
    return TextCell(
        value=value,
        ratio=wording.brief(cell.ratio),
        tone=tone(cell.ratio.verdict, line.row.metric.better),
    )


def _value(cell: Cell, per: str, scale: int) -> str:
    if cell.summary is None:
        return wording.STATUS_WORDS[cell.unknown[0].status] if cell.unknown else "no result"
    return wording.number(cell.summary.times(scale).median, per)


def _tests(blocks: Sequence[Block], pairs: Sequence[tuple[Block, str]]) -> Iterator[AnswerLine]:
    """Verdicts of the kernel's own tests, counted."""
    tables = {b.settings.pti: _table(b) for b in blocks}
    titles = dict.fromkeys(
        title for table in tables.values() if table is not None for title, *_ in table.counts
    )
    for title in titles:
        cells = []
        for block, build in pairs:
            table = tables[block.settings.pti]
            cells.append(TextCell(value=_count(table, title, build)))
        yield AnswerLine(title=f"tests {title}", unit="", cells=tuple(cells))


def _table(block: Block) -> VerdictTable | None:
    if block.verdicts is None:
        return None
    return verdict_table(block.verdicts, block.baseline, limit=MAX_TESTS)


def _count(table: VerdictTable | None, title: str, build: str) -> str:
    if table is None or build not in table.columns:
        return "no result"
    at = 1 + table.columns.index(build)
    return next((counts[at] for counts in table.counts if counts[0] == title), "0")


def _test_words(blocks: Sequence[Block]) -> Iterator[TextCell]:
    """Which tests fail on one build and not on the baseline, and which differ or fail."""
    for block in blocks:
        table = _table(block)
        if table is None:
            continue
        head = f"pti={block.settings.pti}: "
        yield from (TextCell(value=head + line, tone="better") for line in table.fine)
        yield from (TextCell(value=head + line, tone="worse") for line in table.new)
        for test, *words in table.rows:
            shown = [f"{word} on {b}" for b, word in zip(table.columns, words, strict=True)]
            yield TextCell(value=f"{head}{test}: {', '.join(shown)}")
        if table.left:
            yield TextCell(value=f"{head}and {table.left} more that differ or fail: see --full")


def _verdicts(
    blocks: Sequence[Block], builds: Sequence[str], lines: Mapping[str, Sequence[Decided]]
) -> Iterator[BuildVerdict]:
    for build in builds:
        told: dict[str, list[str]] = {}
        for block in blocks:
            if build not in block.builds or build == block.baseline:
                continue
            pti = block.settings.pti
            if not block.baseline:
                words = "no ratios: the baseline was not run with these settings"
            else:
                words = sentence(block, build, lines[pti])
            if words:
                told.setdefault(words, []).append(pti)
        for words, settings in told.items():
            yield BuildVerdict(
                build=build, pti=f"pti={' and '.join(settings)}", sentence=f"{words}."
            )


def _uncounted(blocks: Sequence[Block], lines: Mapping[str, Sequence[Decided]]) -> Iterator[str]:
    """Readings of the answer that some build does not know, with the reason."""
    places: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
    for block in blocks:
        for one in lines[block.settings.pti]:
            for row in one.rows:
                for build in block.builds:
                    for item in row.cells[build].unknown:
                        reason = (
                            f"{wording.STATUS_WORDS[item.status]}: {item.reason or 'no reason'}"
                        )
                        by_pti = places.setdefault((one.noun, reason), {})
                        by_pti.setdefault(build, {})[block.settings.pti] = None
    everywhere = {
        build: {b.settings.pti for b in blocks if build in b.builds}
        for block in blocks
        for build in block.builds
    }
    for (noun, reason), by_build in places.items():
        where = [
            build if set(ptis) == everywhere[build] else f"{build} with pti={' and '.join(ptis)}"
            for build, ptis in by_build.items()
        ]
        on = "every build" if where == list(everywhere) and len(where) > 1 else ", ".join(where)
        yield f"{noun} on {on}: {reason}"


def legend(shown: Iterable[Answer]) -> tuple[str, ...]:
    """How to read the tables of ``shown``, in a line."""
    answers = tuple(shown)
    baselines = dict.fromkeys(one.baseline for one in answers if one.baseline)
    words = ["Medians over seeds"]
    if baselines and any(one.verdicts for one in answers):
        words.append(f"×: ratio to {', '.join(baselines)}, paired by seed")
    if any(one.comparisons > 1 for one in answers):
        words.append("?: only when read alone, not among all comparisons of its question (Holm)")
    if any(line.unit == "/s" for one in answers for line in one.lines):
        words.append("/s: per second of guest time")
    return ("; ".join(words) + ".",) if any(one.lines for one in answers) else ()


def whereabouts(comparison: Comparison, paths: Sequence[str]) -> tuple[str, ...]:
    """Where the rest is: ``paths`` of the runs, or their names where the paths are not known."""
    runs = " ".join(paths or comparison.runs)
    return (f"All readings: execmem-bench compare {runs} --full; other formats: `export`.",)
