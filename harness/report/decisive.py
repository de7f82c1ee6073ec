# SPDX-License-Identifier: GPL-2.0-only
"""The few readings that decide a workload's question: which they are, and where a table has them.

Data first: a line of the answer is a choice of ``Pick``s, of which the first that every build
knows is shown; a workload names its lines. One that is not listed here shows the usual lines and
the readings that it reports itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.analysis.comparison import Block, Per, Row
from harness.metrics.catalogue import COUNTED_CALLS
from harness.model.reading import Source
from harness.model.reading_spec import Section
from harness.report import series

MAX_OWN = 8
"""Lines of readings that a workload reports itself and that no line here is about."""


@dataclass(frozen=True, kw_only=True)
class Pick:
    """A reading of a table, or the page sizes of one thing."""

    reading: str
    title: str  # in the table
    noun: str  # in a sentence: "fewer <noun>"
    labels: tuple[tuple[str, str], ...] = ()
    sizes: tuple[str, ...] = ()  # further readings that are shown with it: pages of other sizes
    per: Per = Per.SECOND  # preferred, where the reading counts events of a window
    expected_0: bool = False  # shown only when it is not 0 everywhere
    curve: bool = False  # a line over cycles


def _itlb(reading: str, title: str, origin: str, words: str, per: Per = Per.SECOND) -> Pick:
    return Pick(
        reading=reading,
        title=f"{title}, {words}",
        noun=title if origin == "all" else f"{title} of {words}",
        labels=(("origin", origin),),
        per=per,
    )


def _phase(reading: str, title: str, noun: str, phase: str = "load") -> Pick:
    return Pick(reading=reading, title=title, noun=noun, labels=(("phase", phase),))


def _at_close(reading: str, title: str, noun: str = "", *, expected_0: bool = False) -> Pick:
    return Pick(
        reading=reading,
        title=title,
        noun=noun or title,
        labels=(("at", "close"),),
        expected_0=expected_0,
    )


def _own(reading: str, title: str, **labels: str) -> Pick:
    return Pick(reading=reading, title=title, noun=title, labels=tuple(sorted(labels.items())))


def _cycle(reading: str, title: str, **labels: str) -> Pick:
    return Pick(
        reading=reading,
        title=title,
        noun=title,
        labels=tuple(sorted(labels.items())),
        curve=True,
    )


def _pages(prefix: str, title: str, noun: str) -> Pick:
    return Pick(
        reading=f"{prefix}.pages_4k",
        title=title,
        noun=noun,
        labels=(("at", "close"),),
        sizes=(f"{prefix}.pages_2m", f"{prefix}.pages_1g"),
    )


LINES: Mapping[str, tuple[Pick, ...]] = {
    "walks_4k": (_itlb("itlb.walk_completed_4k", "4 kB walks", "all", "all text"),),
    "walks_4k_bpf": (_itlb("itlb.walk_completed_4k", "4 kB walks", "bpf", "BPF text"),),
    "walks_4k_module": (_itlb("itlb.walk_completed_4k", "4 kB walks", "module", "module text"),),
    "walks_coalesced": (
        _itlb("itlb.walk_completed_coalesced_4k", "coalesced walks", "all", "all text"),
    ),
    "walks_coalesced_bpf": (
        _itlb("itlb.walk_completed_coalesced_4k", "coalesced walks", "bpf", "BPF text"),
    ),
    "walks_2m": (_itlb("itlb.walk_completed_2m_4m", "2 MB walks", "all", "all text"),),
    "walks_4k_op": (
        _itlb("itlb.walk_completed_4k", "4 kB walks", "all", "all text", Per.OPERATION),
    ),
    "walks_4k_bpf_op": (
        _itlb("itlb.walk_completed_4k", "4 kB walks", "bpf", "BPF text", Per.OPERATION),
    ),
    "walks_2m_op": (
        _itlb("itlb.walk_completed_2m_4m", "2 MB walks", "all", "all text", Per.OPERATION),
    ),
    "stlb_bpf": (_itlb("itlb.stlb_hit", "STLB hits", "bpf", "BPF text"),),
    "stlb_module": (_itlb("itlb.stlb_hit", "STLB hits", "module", "module text"),),
    "perf_misses": (_itlb("iTLB-load-misses", "iTLB-load-misses", "all", "all text"),),
    "corunner_4k": (
        _itlb("itlb.walk_completed_4k", "4 kB walks", "corunner", "co-runner", Per.OPERATION),
    ),
    "corunner_stlb": (_itlb("itlb.stlb_hit", "STLB hits", "corunner", "co-runner", Per.OPERATION),),
    "bpf_entries": (
        _pages("bpf.text", "page entries, BPF text", "page-table entries of BPF text"),
    ),
    "module_text": (_pages("modules.text", "page entries, text", "page-table entries of text"),),
    "module_rodata": (
        _pages("modules.rodata", "page entries, rodata", "page-table entries of read-only data"),
    ),
    "module_data": (_pages("modules.data", "page entries, data", "page-table entries of data"),),
    "module_would_do": (
        _at_close("modules.text.large_would_do", "2 MB pages that would do, text"),
    ),
    "flushes": (
        _phase(
            "tlb.remote_flush",
            "remote flushes, loading",
            "remote TLB flushes while loading",
        ),
    ),
    "flushes_window": (
        _phase("tlb.remote_flush", "remote flushes", "remote TLB flushes", "window"),
    ),
    "splits": (
        _phase(
            "direct_map.splits_2m",
            "2 MB splits, loading",
            "2 MB direct map entries split while loading",
        ),
        _phase(
            "direct_map.splits",
            "splits, loading",
            "large page-table entries split while loading",
        ),
    ),
    "held": (
        _at_close("bpf.text.held_bytes", "memory held, BPF text", "memory held for BPF text"),
        _at_close("text.held_bytes", "memory held, all text", "memory held for all dynamic text"),
    ),
    "wx": (_at_close("wx.mappings", "W+X mappings", expected_0=True),),
    "not_executable": (
        _at_close("bpf.text.not_executable", "programs not executable", expected_0=True),
    ),
    "direct_map_executable": (
        _at_close("direct_map.executable", "executable direct map pages", expected_0=True),
    ),
    "load_instructions": (_own("load.instructions", "instructions per load"),),
    "unload_instructions": (_own("unload.instructions", "instructions per unload"),),
    "load_p50": (_own("load.latency", "load latency, p50", kind="load", quantile="p50"),),
    "load_p99": (_own("load.latency", "load latency, p99", kind="load", quantile="p99"),),
    "load_rate": (_own("load.rate", "programs loaded"),),
    "hot_rate": (_own("hot.rate", "operations"),),
    "flushes_per_load": (_own("tlb.remote_flush.per_1k_loads", "remote flushes, 1,000 loads"),),
    "splits_per_load": (_own("direct_map.splits_2m.per_1k_loads", "2 MB splits, 1,000 loads"),),
    "race_loads": (_own("race.loads", "modules loaded in parallel"),),
    "race_module_failures": (_own("race.module_failures", "module loads that failed"),),
    "race_program_failures": (_own("race.program_failures", "program loads that failed"),),
    "race_wrong": (_own("race.wrong_results", "wrong results"),),
    "race_splats": (_own("race.splats", "splats in the kernel log"),),
    "packets": (_own("packet.rate", "packets"),),
    "updates": (
        Pick(reading="xdp.updates", title="XDP programs replaced", noun="XDP programs replaced"),
    ),
    "curve_4k": (_cycle("direct_map.4k", "direct map in 4 kB entries"),),
    "curve_splits": (_cycle("direct_map.splits_2m", "2 MB entries split"),),
    "curve_free": (_cycle("memory.free_large", "free 2 MB pages"),),
    "curve_hot_pages": (_cycle("corunner.hot_pages", "hot pages of the co-runner"),),
    "curve_corunner": (
        _cycle("itlb.walk_completed_4k", "4 kB walks, co-runner", origin="corunner"),
    ),
    "curve_programs": (_cycle("dose.programs", "programs that each call runs"),),
    "curve_dynamic": (_cycle("itlb.walk_completed_4k", "4 kB walks, dynamic", origin="dynamic"),),
    "curve_held": (_cycle("bpf.text.held_bytes", "memory held, each cycle"),),
    "curve_walks": (_cycle("itlb.walk_completed_4k", "4 kB walks, user text", origin="user"),),
}
"""What a line shows, by its name: choices, best first."""

_ITLB = (
    "walks_4k",
    "walks_4k_bpf",
    "walks_coalesced",
    "walks_coalesced_bpf",
    "walks_2m",
    "stlb_bpf",
    "perf_misses",
)
_ITLB_PER_OPERATION = ("walks_4k_op", "walks_4k_bpf_op", "walks_2m_op", "perf_misses")
"""Of workloads that do a given amount of work: their windows are as long as that takes."""
_MUST_BE_NONE = ("wx", "not_executable", "direct_map_executable")
USUAL = (*_ITLB, "bpf_entries", "flushes", "splits", "held", *_MUST_BE_NONE)
"""Lines of a workload that is not listed, before those of its own readings."""

WORKLOADS: Mapping[str, tuple[str, ...]] = {
    "trig-kprobe": USUAL,
    "bcc-fleet": USUAL,
    "xdp-dispatch": (*USUAL, "flushes_window", "packets", "updates"),
    "loaded": (
        "corunner_4k",
        "corunner_stlb",
        "curve_hot_pages",
        "curve_corunner",
        *USUAL,
    ),
    "churn": (
        "load_instructions",
        "unload_instructions",
        "load_p50",
        "load_p99",
        "load_rate",
        "flushes_per_load",
        "splits_per_load",
        *_ITLB_PER_OPERATION,
        "held",
        *_MUST_BE_NONE,
    ),
    "dose": ("curve_programs", "curve_dynamic", "curve_held", *USUAL),
    "ageing": (
        "curve_4k",
        "curve_splits",
        "curve_free",
        "curve_walks",
        *USUAL,
    ),
    "modules": (
        "module_text",
        "module_would_do",
        "module_rodata",
        "module_data",
        "flushes",
        "splits",
        "held",
        *_MUST_BE_NONE,
    ),
    "modules-hot": (
        "walks_4k",
        "walks_4k_module",
        "walks_2m",
        "stlb_module",
        "perf_misses",
        "module_text",
        "module_would_do",
        "hot_rate",
        *_MUST_BE_NONE,
    ),
    "modules-race": (
        "race_loads",
        "race_module_failures",
        "race_program_failures",
        "race_wrong",
        "race_splats",
        "flushes_window",
        *_MUST_BE_NONE,
    ),
    "selftests-parallel": (*USUAL, "flushes_window"),
    "selftests": _MUST_BE_NONE,
    "test-bpf": _MUST_BE_NONE,
    "test-execmem": _MUST_BE_NONE,
    "vmalloc": _MUST_BE_NONE,
}
"""Lines of each workload, in order. The kernel's own tests add their verdicts."""


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A line with its rows: one row, the rows of page sizes, or those of a curve."""

    title: str
    noun: str
    row: Row
    sizes: tuple[Row, ...] = ()  # with ``row``, when it is about page sizes
    curve: series.Series | None = None
    expected_0: bool = False  # not shown where it is 0 on every build

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows that the line is made of."""
        if self.curve is not None:
            return self.curve.rows
        return self.sizes or (self.row,)


def decided(block: Block) -> tuple[Decided, ...]:
    """The lines that decide the question of ``block``, in order."""
    rows = [row for row in block.rows if row.window in ("", *block.windows)]
    names = WORKLOADS.get(block.settings.workload)
    out = [one for name in names or USUAL for one in _line(LINES[name], rows, block.windows)]
    if names is None:
        taken = {row.metric.name for one in out for row in one.rows}
        out += _own_readings(rows, taken)
    return tuple(out)


def _line(picks: Iterable[Pick], rows: list[Row], windows: tuple[str, ...]) -> Iterator[Decided]:
    """The first of ``picks`` that is known to all builds, else to some, else that is there."""
    choices = [choice for pick in picks if (choice := _choices(pick, rows))]
    ranked = sorted(
        (one for choice in choices for one in choice), key=lambda lines: _unknown_cells(lines)
    )
    if not ranked:
        return
    best = ranked[0]
    if any(one.expected_0 and not _any(one) for one in best):
        return
    several = len(windows) > 1
    for one in best:
        where = f", window {one.row.window}" if several and one.row.window else ""
        yield Decided(
            title=one.title + where,
            noun=one.noun + where.replace(", ", " in "),
            row=one.row,
            sizes=one.sizes,
            curve=one.curve,
            expected_0=one.expected_0,
        )


def _any(one: Decided) -> bool:
    """Some value is not 0, or is not known."""
    cells = [cell for row in one.rows for cell in row.cells.values()]
    return any(cell.unknown or any(cell.values.values()) for cell in cells)


def _unknown_cells(lines: tuple[Decided, ...]) -> tuple[int, int]:
    cells = [cell for one in lines for row in one.rows for cell in row.cells.values()]
    without = sum(not cell.values for cell in cells)
    return (without == len(cells), bool(without))


def _choices(pick: Pick, rows: list[Row]) -> list[tuple[Decided, ...]]:
    """``pick`` as each source reports it; the iTLB's sources are lines beside each other."""
    by_source: dict[Source, list[Row]] = {}
    for row in rows:
        if row.metric.name == pick.reading and _labelled(row, pick):
            by_source.setdefault(row.source, []).append(row)
    lines = {
        source: tuple(_decided(pick, source_rows, rows))
        for source, source_rows in sorted(by_source.items(), key=lambda item: _rank(item[0]))
    }
    if any(
        row.metric.section is Section.ITLB
        for source_rows in by_source.values()
        for row in source_rows
    ):
        return [tuple(one for of_source in lines.values() for one in of_source)]
    return list(lines.values())


def _rank(source: Source) -> int:
    """The kernel's own counters before counted calls of its functions."""
    order = (Source.KERNEL, Source.MODEL, Source.PERF, Source.WORKLOAD, Source.HOST)
    return order.index(source)


def _labelled(row: Row, pick: Pick) -> bool:
    labels = series.without_cycle(row) if pick.curve else row.labels
    return labels == pick.labels and bool(row.label(series.CYCLE)) == pick.curve


def _decided(pick: Pick, chosen: list[Row], rows: list[Row]) -> Iterator[Decided]:
    first = chosen[0]
    source = ""
    if first.source is Source.PERF:
        source = ", perf"
    elif first.source is Source.MODEL and pick.reading in COUNTED_CALLS:
        source = ", counted calls"
    title, noun = pick.title + source, pick.noun + source.replace(", ", " by ")
    if pick.curve:
        (curve,) = series.fold([row for row in chosen if row.per is first.per])[:1]
        if isinstance(curve, series.Series):
            yield Decided(title=title, noun=noun, row=curve.row, curve=curve)
        return
    for window in dict.fromkeys(row.window for row in chosen):
        same = {row.per: row for row in chosen if row.window == window}
        order = (pick.per, Per.SECOND, Per.OPERATION, Per.TOTAL)
        row = next(same[per] for per in order if per in same)
        sizes = [r for name in pick.sizes for r in rows if _same_place(r, row, name)]
        yield Decided(
            title=title,
            noun=noun,
            row=row,
            sizes=(row, *sizes) if pick.sizes else (),
            expected_0=pick.expected_0,
        )


def _same_place(row: Row, like: Row, name: str) -> bool:
    return row.metric.name == name and (row.source, row.labels, row.window, row.per) == (
        like.source,
        like.labels,
        like.window,
        like.per,
    )


def _own_readings(rows: list[Row], taken: set[str]) -> Iterator[Decided]:
    """What the workload reports itself, beside what a line of its own is about."""
    shown = [
        row
        for row in rows
        if row.source is Source.WORKLOAD
        and row.per is Per.TOTAL
        and not row.metric.detail
        and row.metric.name not in taken
        and row.metric.section is not Section.TESTS
        and not row.label("instance")
        and not row.label(series.CYCLE)
    ]
    for row in shown[:MAX_OWN]:
        words = ", ".join((row.metric.title, *(value for _, value in row.labels)))
        yield Decided(title=words, noun=words, row=row)
