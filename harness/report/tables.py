# SPDX-License-Identifier: GPL-2.0-only
"""A comparison's block as a table of texts, for the terminal and for Markdown alike."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.analysis import published
from harness.analysis.comparison import Block, Cell, Per, Row
from harness.analysis.stats import Verdict, difference
from harness.metrics.catalogue import ORIGIN_TITLES, by_counted_calls
from harness.model.reading import Source, Status
from harness.model.reading_spec import Section
from harness.report import series, wording

_EDGES = {
    "baseline": "before loading",
    "open": "window opens",
    "close": "window closes",
    "end": "after unloading",
}
_PHASES = {
    "load": "while loading",
    "window": "in the window",
    "unload": "while unloading",
    "trial": "whole trial",
}
_UNITS = {"B": "", "kB": "", "operation": "op", "instruction": "insn"}
"""Units as tables write them; bytes carry theirs with the prefix."""
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, kw_only=True)
class TextCell:
    """What one build shows in one line. ``tone``: better | worse | same | unknown | ""."""

    value: str
    ratio: str = ""
    tone: str = ""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line: a section or group heading (no cells), a reading, or the reference table."""

    kind: str  # section | group | reading | difference | reference
    title: str
    unit: str = ""
    cells: tuple[TextCell, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A block, ready to be laid out."""

    title: str
    settings: str
    params: str
    columns: tuple[str, ...]  # builds, the baseline first
    seeds: tuple[str, ...]  # by build
    failed: tuple[int, ...]  # failed trials by build
    lines: tuple[Line, ...]
    footnotes: tuple[str, ...]  # with their marks
    failures: tuple[str, ...]
    taints: tuple[str, ...]
    notes: tuple[str, ...]


class _Footnotes:
    """Numbered reasons; the same reason takes the same mark."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, text: str) -> str:
        number = self._numbers.setdefault(text, len(self._numbers) + 1)
        return str(number).translate(_SUPERSCRIPT)

    def lines(self) -> tuple[str, ...]:
        return tuple(f"{self.mark(text)} {text}" for text in self._numbers)


def table(block: Block) -> TextTable:
    """``block`` as texts: iTLB readings first, then facts, then work done, then the rest."""
    notes = _Footnotes()
    shown, zero = _select(block)
    lines = tuple(_lines(block, shown, notes))
    extra = []
    if zero:
        extra.append("0 in every build at every seed: " + "; ".join(_titles(zero)))
    return TextTable(
        title=block.settings.workload,
        settings=wording.settings_line(block.settings),
        params=wording.params_line(block.settings),
        columns=block.builds,
        seeds=tuple(wording.seeds_line(block.seeds[build]) for build in block.builds),
        failed=tuple(sum(f.build == build for f in block.failures) for build in block.builds),
        lines=lines,
        footnotes=(*notes.lines(), *extra),
        failures=tuple(
            f"{f.build}, seed {f.seed}: {f.kind}: {' | '.join(f.message.splitlines())}"
            for f in block.failures
        ),
        taints=tuple(
            f"{t.build}, seed {t.seed}: {' | '.join(t.message.splitlines())}" for t in block.taints
        ),
        notes=block.notes,
    )


def _select(block: Block) -> tuple[list[Row], list[Row]]:
    """Rows to show, and rows that are 0 everywhere."""
    shown: list[Row] = []
    zero: list[Row] = []
    rates = {_identity(row) for row in block.rows if row.per is not Per.TOTAL}
    curves = _zero_curves(block.rows)
    for row in block.rows:
        if row.per is Per.TOTAL and _identity(row) in rates:
            continue
        if not _wanted(row, block):
            continue
        if series.key(row) in curves or (not row.label(series.CYCLE) and _all_zero(row)):
            zero.append(row)
        else:
            shown.append(row)
    return shown, zero


def _is_counted_calls(row: Row) -> bool:
    return row.source is Source.MODEL and by_counted_calls(row.metric)


def _zero_curves(rows: Iterable[Row]) -> set[tuple[object, ...]]:
    """Readings by cycle that are 0 in every cycle: a curve that begins at 0 is no such one."""
    all_zero: dict[tuple[object, ...], bool] = {}
    for row in rows:
        if row.label(series.CYCLE):
            all_zero[series.key(row)] = all_zero.get(series.key(row), True) and _all_zero(row)
    return {name for name, zero in all_zero.items() if zero}


def _all_zero(row: Row) -> bool:
    cells = [c for c in row.cells.values() if c.values or c.unknown]
    return bool(cells) and not any(c.unknown or any(c.values.values()) for c in cells)


def _titles(rows: Sequence[Row]) -> list[str]:
    """``2 MB walks (BPF text, user text)``: what tells rows of one reading apart, together."""
    details_of: dict[str, dict[str, None]] = {}
    for row in rows:
        details = details_of.setdefault(row.metric.title, {})
        if detail := _detail(row):
            details[detail] = None
    return [f"{t} ({', '.join(d)})" if d else t for t, d in details_of.items()]


def _wanted(row: Row, block: Block) -> bool:
    if row.window and row.window not in block.windows:
        return False  # the model's window over the whole run
    if row.metric.mean_over in dict(row.labels):
        return False
    return row.label("origin") in ("", *ORIGIN_TITLES)


def _identity(row: Row) -> tuple[str, Source, tuple[tuple[str, str], ...], str]:
    """What a row has in common with its rates."""
    return (row.metric.name, row.source, row.labels, row.window)


def _lines(block: Block, rows: Sequence[Row], notes: _Footnotes) -> Iterator[Line]:
    several = len(block.windows) > 1
    groups = [(w,) for w in block.windows] + [("",)] if several else [(*block.windows, "")]
    for group in groups:
        inside = [row for row in rows if row.window in group]
        head = f"window {group[0]}: " if several and group[0] else ""
        for section in Section:
            section_rows = [row for row in inside if row.metric.section is section]
            if section_rows:
                yield Line(kind="section", title=head + section.value)
                yield from _section(block, section_rows, notes)


def _section(block: Block, rows: Sequence[Row], notes: _Footnotes) -> Iterator[Line]:
    groups: dict[tuple[str, Source], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.metric.name, row.source), []).append(row)
    for (name, source), group_rows in groups.items():
        origins = any("origin" in dict(row.labels) for row in group_rows)
        if origins:
            yield Line(kind="group", title=f"{group_rows[0].metric.title} ({name}, {source.value})")
        for one in series.fold(_ordered(group_rows)):
            if isinstance(one, series.Series):
                yield _curve(block, one, "  " if origins else "")
                continue
            row = one
            title = ("  " if origins else "") + _line_title(row)
            scale = scale_of(row)
            cells = tuple(_cell(row.cells[b], row, notes, scale) for b in block.builds)
            yield Line(kind="reading", title=title, unit=unit(row, scale), cells=cells)
            yield from _reference(block, row)


def _curve(block: Block, curve: series.Series, indent: str) -> Line:
    """A reading cycle by cycle: medians over the seeds, without ratios."""
    title = f"{indent}{_line_title(curve.row)}, {curve.title}"
    cells = tuple(TextCell(value=curve.cell(build)) for build in block.builds)
    return Line(kind="reading", title=title, unit=unit(curve.row, 1), cells=cells)


def _ordered(rows: Iterable[Row]) -> list[Row]:
    origins = list(ORIGIN_TITLES)
    edges = list(_EDGES)
    phases = list(_PHASES)

    def place(row: Row) -> tuple[int, int, int, tuple[tuple[str, str], ...]]:
        origin, edge, phase = row.label("origin"), row.label("at"), row.label("phase")
        return (
            origins.index(origin) if origin in origins else -1,
            edges.index(edge) if edge in edges else -1,
            phases.index(phase) if phase in phases else -1,
            row.labels,
        )

    return sorted(rows, key=place)


def _line_title(row: Row) -> str:
    """What tells the line apart: the origin below a group heading, else title and labels."""
    detail = _detail(row)
    if "origin" in dict(row.labels):
        return detail
    return f"{row.metric.title}, {detail}" if detail else row.metric.title


def _detail(row: Row) -> str:
    """The labels of a row in words; with the source where it is perf's."""
    origin = "origin" in dict(row.labels)  # then the heading names the source
    words = ["perf"] if row.source is Source.PERF and not origin else []
    if _is_counted_calls(row):
        words.append("counted calls")
    return ", ".join([*words, *label_words(series.without_cycle(row))])


def label_words(labels: Iterable[tuple[str, str]]) -> Iterator[str]:
    """``labels`` in words: ``BPF text``, ``while loading``, ``window measured``."""
    for key, value in labels:
        known = {"origin": ORIGIN_TITLES, "at": _EDGES, "phase": _PHASES}.get(key)
        yield known.get(value, value) if known else f"{key} {value}"


def unit(row: Row, scale: int) -> str:
    if row.per is Per.SECOND:
        return "/s"
    if row.per is Per.OPERATION:
        return {1: "/op", 10**3: "/1k op", 10**6: "/1M op"}[scale]
    if row.per is Per.SWITCH:
        return "/switch"
    return _UNITS.get(row.unit, row.unit)


def scale_of(row: Row) -> int:
    """Per how many operations a row is shown, so that its largest median is 1 or more."""
    if row.per is not Per.OPERATION:
        return 1
    largest = max((c.summary.median for c in row.cells.values() if c.summary), default=0)
    return next((s for s in (1, 10**3) if largest * s >= 1), 10**6) if largest else 1


def _cell(cell: Cell, row: Row, notes: _Footnotes, scale: int) -> TextCell:
    marks = [notes.mark(_reason(cell, item.status, item.reason)) for item in cell.unknown]
    if cell.scaled:
        marks.append(notes.mark("extrapolated: the counter was multiplexed"))
    tail = "".join(dict.fromkeys(marks))
    if cell.summary is None:
        word = wording.STATUS_WORDS[cell.unknown[0].status] if cell.unknown else "no result"
        return TextCell(value=word + tail, tone="unknown")
    value = wording.spread(cell.summary.times(scale), row.unit) + tail
    if cell.ratio is None:
        return TextCell(value=value)
    shown = wording.ratio(cell.ratio, all_of_it=True)
    if shown == "no ratio" or shown.endswith("(no interval)"):
        shown += notes.mark(cell.ratio.reason)
    return TextCell(value=value, ratio=shown, tone=tone(cell.ratio.verdict, row.metric.better))


def _reason(cell: Cell, status: Status, reason: str) -> str:
    seeds = [str(u.seed) for u in cell.unknown if (u.status, u.reason) == (status, reason)]
    where = f" (seed {', '.join(seeds)})" if cell.values else ""
    return f"{wording.STATUS_WORDS[status]}: {reason or 'no reason given'}{where}"


def tone(verdict: Verdict, better: str) -> str:
    if verdict is Verdict.NO_DIFFERENCE:
        return "same"
    if verdict in (Verdict.LOWER, Verdict.HIGHER) and better:
        return "better" if verdict.value == better else "worse"
    return ""


def _reference(block: Block, row: Row) -> Iterator[Line]:
    """Differences to the baseline, and the 2022 table's, below our line per second of the same
    event."""
    if block.settings.workload != published.WORKLOAD or row.per is not Per.SECOND:
        return
    event = published.row_for(row.metric.name)
    if event is None or row.label("origin") not in ("", "all"):
        return
    others = [build for build in block.builds if build != block.baseline]
    told = {build: event.difference(build) for build in others}
    if block.baseline != published.BASELINE or all(one is None for one in told.values()):
        return
    indent = "  " if row.label("origin") else ""
    base = row.cells[block.baseline].values
    own = {build: difference(row.cells[build].values, base) for build in others}
    yield Line(
        kind="difference",
        title=f"{indent}less {block.baseline}",
        unit="/s",
        cells=tuple(
            TextCell(value="")
            if build == block.baseline
            else TextCell(value=wording.difference(one))
            if (one := own[build])
            else TextCell(value="no pair of seeds", tone="unknown")
            for build in block.builds
        ),
    )
    yield Line(
        kind="reference",
        title=f"{indent}in 2022",
        unit="/s",
        cells=tuple(
            TextCell(value="" if (known := told.get(build)) is None else wording.signed(known))
            for build in block.builds
        ),
    )
