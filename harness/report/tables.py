# SPDX-License-Identifier: GPL-2.0-only
"""A comparison's block as a table of texts, for the terminal and for Markdown alike."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.analysis import reference
from harness.analysis.compare import Block, Cell, Per, Row
from harness.analysis.stats import Verdict
from harness.metrics.catalogue import ORIGIN_TITLES, by_counted_calls
from harness.model import Kind, Section, Source, Status
from harness.report import series, text

MAX_OTHER = 16
"""Lines of readings without an entry in the catalogue; more are in the exports."""

MAIN_ORIGINS = ("all", "bpf", "corunner")
"""Origins that are shown per operation as well."""

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
_EDGE_SHOWN = ("close", "open", "end", "baseline")
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

    kind: str  # section | group | reading | reference
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
    notes: tuple[str, ...]


class _Footnotes:
    """Numbered reasons; the same reason takes the same mark."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, said: str) -> str:
        number = self._numbers.setdefault(said, len(self._numbers) + 1)
        return str(number).translate(_SUPERSCRIPT)

    def lines(self) -> tuple[str, ...]:
        return tuple(f"{self.mark(said)} {said}" for said in self._numbers)


def table(block: Block, *, full: bool = False) -> TextTable:
    """``block`` as texts: iTLB readings first, then facts, then work done, then the rest.

    Without ``full`` the origins beside all and BPF text, and facts of a window, are shown
    per second only, and a state is shown at one edge of the window.
    """
    notes = _Footnotes()
    shown, zero, unknown, left = _select(block, full)
    lines = tuple(_lines(block, shown, notes))
    extra = []
    if zero:
        extra.append("0 in every build at every seed: " + "; ".join(_titles(zero)))
    for reason, rows in unknown.items():
        extra.append(f"{reason}: " + "; ".join(_titles(rows)))
    if left:
        extra.append(f"{text.plural(left, 'more reading')} not shown: see `export`")
    return TextTable(
        title=block.settings.workload,
        settings=text.settings_line(block.settings),
        params=text.params_line(block.settings),
        columns=block.builds,
        seeds=tuple(text.seeds_line(block.seeds[build]) for build in block.builds),
        failed=tuple(sum(f.build == build for f in block.failures) for build in block.builds),
        lines=lines,
        footnotes=(*notes.lines(), *extra),
        failures=tuple(
            f"{f.build}, seed {f.seed}: {f.kind}: {' | '.join(f.message.splitlines())}"
            for f in block.failures
        ),
        notes=block.notes,
    )


def _select(block: Block, full: bool) -> tuple[list[Row], list[Row], dict[str, list[Row]], int]:
    """Rows to show; rows that are 0 everywhere; rows without a value anywhere, by the reason;
    how many others are left out."""
    shown: list[Row] = []
    zero: list[Row] = []
    unknown: dict[str, list[Row]] = {}
    left = others = 0
    rates = {_identity(row) for row in block.rows if row.per is not Per.TOTAL}
    edges: dict[str, set[str]] = {}
    known = _known_to_kernels(block.rows)
    curves = _zero_curves(block.rows)
    for row in block.rows:
        edges.setdefault(row.metric.name, set()).add(row.label("at"))
    for row in block.rows:
        if row.per is Per.TOTAL and _identity(row) in rates:
            continue
        if not _wanted(row, block, full, edges[row.metric.name]):
            continue
        if not full and _is_counted_calls(row) and _asked(row) in known:
            continue
        if series.key(row) in curves or (not row.label(series.CYCLE) and _all_zero(row)):
            zero.append(row)
        elif not full and (reason := _unknown_everywhere(row)):
            unknown.setdefault(reason, []).append(row)
        elif row.metric.section is Section.OTHER and others >= MAX_OTHER and not full:
            left += 1
        else:
            others += row.metric.section is Section.OTHER
            shown.append(row)
    return shown, zero, unknown, left


def _unknown_everywhere(row: Row) -> str:
    """The one reason for which no build has a value; "" where one has, or reasons differ.

    What the tables are about, the iTLB, is shown in its place all the same.
    """
    if row.metric.section is Section.ITLB or any(cell.values for cell in row.cells.values()):
        return ""
    reasons = {(u.status, u.reason) for cell in row.cells.values() for u in cell.unknown}
    if len(reasons) != 1:
        return ""
    ((status, reason),) = reasons
    return f"{text.STATUS_WORDS[status]} on any build ({reason})"


def _is_counted_calls(row: Row) -> bool:
    return row.source is Source.MODEL and by_counted_calls(row.metric)


def _asked(row: Row) -> tuple[object, ...]:
    """What a row is about, whoever counted it."""
    return (row.metric.name, row.labels, row.window, row.per)


def _known_to_kernels(rows: Iterable[Row]) -> set[tuple[object, ...]]:
    """What each kernel counts by itself: there is no need to show counted calls beside it."""
    found: set[tuple[object, ...]] = set()
    for row in rows:
        if row.source is Source.KERNEL and not any(cell.unknown for cell in row.cells.values()):
            asked = _asked(row)
            found.add(asked)
            if row.metric.name == "direct_map.splits_2m":
                found.add(("direct_map.splits", *asked[1:]))
    return found


def _zero_curves(rows: Iterable[Row]) -> set[tuple[object, ...]]:
    """Readings by cycle that are 0 in every cycle: a curve that begins at 0 is no such one."""
    found: dict[tuple[object, ...], bool] = {}
    for row in rows:
        if row.label(series.CYCLE):
            found[series.key(row)] = found.get(series.key(row), True) and _all_zero(row)
    return {name for name, zero in found.items() if zero}


def _all_zero(row: Row) -> bool:
    cells = [c for c in row.cells.values() if c.values or c.unknown]
    return bool(cells) and not any(c.unknown or any(c.values.values()) for c in cells)


def _titles(rows: Sequence[Row]) -> list[str]:
    """``2 MB walks (BPF text, user text)``: what tells rows of one reading apart, together."""
    found: dict[str, dict[str, None]] = {}
    for row in rows:
        details = found.setdefault(row.metric.title, {})
        if detail := _detail(row):
            details[detail] = None
    return [f"{t} ({', '.join(d)})" if d else t for t, d in found.items()]


def _wanted(row: Row, block: Block, full: bool, edges: Collection[str]) -> bool:
    labels = dict(row.labels)
    if row.window and row.window not in block.windows:
        return False  # the model's window over the whole run
    if not full and (row.metric.detail or labels.get("phase") == "trial"):
        return False
    if row.metric.mean_over in labels:
        return False
    origin = labels.get("origin")
    if origin is not None and origin not in ORIGIN_TITLES:
        return False
    if row.per is Per.OPERATION and not full:
        return origin in MAIN_ORIGINS or (origin is None and row.metric.section is Section.ITLB)
    edge = labels.get("at")
    if edge is not None and row.metric.kind is Kind.COUNT and not full:
        return False  # where a counter stood, beside its differences
    if edge in _EDGE_SHOWN and row.metric.name != "wx.mappings" and not full:
        return edge == next(e for e in _EDGE_SHOWN if e in edges)
    return True


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
            found = [row for row in inside if row.metric.section is section]
            if found:
                yield Line(kind="section", title=head + section.value)
                yield from _section(block, found, notes)


def _section(block: Block, rows: Sequence[Row], notes: _Footnotes) -> Iterator[Line]:
    groups: dict[tuple[str, Source], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.metric.name, row.source), []).append(row)
    for (name, source), found in groups.items():
        origins = any("origin" in dict(row.labels) for row in found)
        if origins:
            yield Line(kind="group", title=f"{found[0].metric.title} ({name}, {source.value})")
        for one in series.fold(_ordered(found)):
            if isinstance(one, series.Series):
                yield _curve(block, one, "  " if origins else "")
                continue
            row = one
            title = ("  " if origins else "") + _line_title(row)
            scale = _scale(row)
            cells = tuple(_cell(row.cells[b], row, notes, scale) for b in block.builds)
            yield Line(kind="reading", title=title, unit=_unit(row, scale), cells=cells)
            yield from _reference(block, row)


def _curve(block: Block, curve: series.Series, indent: str) -> Line:
    """A reading cycle by cycle: medians over the seeds, without ratios."""
    title = f"{indent}{_line_title(curve.row)}, {curve.title}"
    cells = tuple(TextCell(value=curve.cell(build)) for build in block.builds)
    return Line(kind="reading", title=title, unit=_unit(curve.row, 1), cells=cells)


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
    for key, value in series.without_cycle(row):
        known = {"origin": ORIGIN_TITLES, "at": _EDGES, "phase": _PHASES}.get(key)
        words.append(known.get(value, value) if known else f"{key} {value}")
    return ", ".join(words)


def _unit(row: Row, scale: int) -> str:
    if row.per is Per.SECOND:
        return "/s"
    if row.per is Per.OPERATION:
        return {1: "/op", 10**3: "/1k op", 10**6: "/1M op"}[scale]
    return _UNITS.get(row.unit, row.unit)


def _scale(row: Row) -> int:
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
        word = text.STATUS_WORDS[cell.unknown[0].status] if cell.unknown else "no result"
        return TextCell(value=word + tail, tone="unknown")
    value = text.spread(cell.summary.times(scale), row.unit) + tail
    if cell.ratio is None:
        return TextCell(value=value)
    said = text.ratio(cell.ratio)
    if said == "no ratio" or said.endswith("(no interval)"):
        said += notes.mark(cell.ratio.reason)
    return TextCell(value=value, ratio=said, tone=_tone(cell.ratio.verdict, row.metric.better))


def _reason(cell: Cell, status: Status, reason: str) -> str:
    seeds = [str(u.seed) for u in cell.unknown if (u.status, u.reason) == (status, reason)]
    where = f" (seed {', '.join(seeds)})" if cell.values else ""
    return f"{text.STATUS_WORDS[status]}: {reason or 'no reason given'}{where}"


def _tone(verdict: Verdict, better: str) -> str:
    if verdict is Verdict.NO_DIFFERENCE:
        return "same"
    if verdict in (Verdict.LOWER, Verdict.HIGHER) and better:
        return "better" if verdict.value == better else "worse"
    return ""


def _reference(block: Block, row: Row) -> Iterator[Line]:
    """The 2022 table's ratios, below our line per second of the same event."""
    if block.settings.workload != reference.WORKLOAD or row.per is not Per.SECOND:
        return
    known = reference.row_for(row.metric.name)
    if known is None or row.label("origin") not in ("", "all"):
        return
    ratios = [known.ratio(build) for build in block.builds]
    if block.baseline != reference.BASELINE or all(r is None for r in ratios):
        return
    yield Line(
        kind="reference",
        title=f"{'  ' if row.label('origin') else ''}2022 reference",
        unit="/s",
        cells=tuple(
            TextCell(value="" if r is None else "×1" if r == 1 else f"×{text.factor(r)}")
            for r in ratios
        ),
    )
