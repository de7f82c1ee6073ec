# SPDX-License-Identifier: GPL-2.0-only
"""The raw files of a trial's edges to readings.

Edges: ``baseline`` (before set-up), ``open`` and ``close`` (the window's), ``end`` (after
teardown). Counters become differences with the label ``phase``; states become values with
the label ``at``. What cannot be read is not_supported with the file and the reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from harness.counters.facts import page_tables, proc_files, text
from harness.errors import DataError
from harness.model import Reading, Source, Status, unknown

T = TypeVar("T")

EDGES = ("baseline", "open", "close", "end")
PHASES = {
    "load": ("baseline", "open"),
    "window": ("open", "close"),
    "unload": ("close", "end"),
    "trial": ("baseline", "end"),
}

# Reading name -> (file, name in the file, unit). Differences between edges.
COUNTERS = {
    "tlb.remote_flush": ("proc/vmstat", "nr_tlb_remote_flush", "event"),
    "tlb.remote_flush_received": ("proc/vmstat", "nr_tlb_remote_flush_received", "event"),
    "tlb.local_flush_all": ("proc/vmstat", "nr_tlb_local_flush_all", "event"),
    "tlb.local_flush_one": ("proc/vmstat", "nr_tlb_local_flush_one", "event"),
    "direct_map.splits_2m": ("proc/vmstat", "direct_map_level2_splits", "event"),
    "direct_map.splits_1g": ("proc/vmstat", "direct_map_level3_splits", "event"),
    "tlb.shootdown_ipi": ("proc/interrupts", "TLB", "event"),
}
# States at an edge, all in kB.
LEVELS = {
    "direct_map.4k": ("proc/meminfo", "DirectMap4k"),
    "direct_map.2m": ("proc/meminfo", "DirectMap2M"),
    "direct_map.1g": ("proc/meminfo", "DirectMap1G"),
    "memory.slab": ("proc/meminfo", "Slab"),
    "memory.page_tables": ("proc/meminfo", "PageTables"),
    "memory.vmalloc_used": ("proc/meminfo", "VmallocUsed"),
}
# The direct map's counters since boot, kept beside the differences.
BASELINES = ("direct_map.splits_2m", "direct_map.splits_1g")

PAGE_NAMES = {"pte": "pages_4k", "pmd": "pages_2m", "pud": "pages_1g"}


@dataclass(frozen=True)
class Missing:
    """A value that is not there, and why."""

    reason: str


Value = int | Missing


class Files:
    """The raw files of a trial by ``<edge>/<file>``, parsed when asked for, once."""

    def __init__(self, files: Mapping[str, bytes], absent: Mapping[str, str]) -> None:
        self._files = files
        self._absent = absent
        self._tables: dict[str, Mapping[str, int] | Missing] = {}

    def raw(self, edge: str, name: str) -> bytes | Missing:
        """The bytes of a file, or why there are none."""
        key = f"{edge}/{name}"
        if key in self._files:
            return self._files[key]
        return Missing(self._absent.get(key, f"{name} was not sampled at {edge}"))

    def number(self, edge: str, name: str, key: str) -> Value:
        """The number ``key`` of a file, or why it is unknown."""
        where = f"{edge}/{name}"
        if where not in self._tables:
            self._tables[where] = self._table(edge, name)
        table = self._tables[where]
        if isinstance(table, Missing):
            return table
        if key not in table:
            return Missing(f"{name} has no {key}")
        return table[key]

    def _table(self, edge: str, name: str) -> Mapping[str, int] | Missing:
        data = self.raw(edge, name)
        if isinstance(data, Missing):
            return data
        parsers: dict[str, Callable[[str], Mapping[str, int]]] = {
            "proc/meminfo": proc_files.meminfo,
            "proc/interrupts": proc_files.interrupts,
        }
        parse = parsers.get(name, proc_files.pairs)
        try:
            return parse(data.decode(errors="replace"))
        except DataError as error:
            return Missing(f"{name}: {error}")


def _reading(name: str, value: Value, unit: str, labels: Mapping[str, str]) -> Reading:
    if isinstance(value, Missing):
        return unknown(name, unit, Source.KERNEL, Status.NOT_SUPPORTED, value.reason, labels)
    return Reading(name=name, value=value, unit=unit, source=Source.KERNEL, labels=labels)


def _difference(before: Value, after: Value) -> Value:
    if isinstance(before, Missing):
        return before
    if isinstance(after, Missing):
        return after
    return after - before


def of_kernel(files: Files) -> list[Reading]:
    """Counters of /proc by phase and states by edge."""
    out: list[Reading] = []
    for name, (file, key, unit) in COUNTERS.items():
        at = {edge: files.number(edge, file, key) for edge in EDGES}
        for phase, (first, last) in PHASES.items():
            change = _difference(at[first], at[last])
            out.append(_reading(name, change, unit, {"phase": phase}))
        if name in BASELINES:
            out.append(_reading(name, at["baseline"], unit, {"at": "baseline"}))
    for name, (file, key) in LEVELS.items():
        for edge in EDGES:
            out.append(_reading(name, files.number(edge, file, key), "kB", {"at": edge}))
    return out


@dataclass(frozen=True)
class Layout:
    """Where text was at one edge; None for what could not be read."""

    text_map: text.TextMap | None
    programs: tuple[text.Program, ...] | None
    symbols: tuple[text.Symbol, ...] | None
    tables: page_tables.PageTables | None
    reasons: tuple[str, ...]


def layout(files: Files, edge: str) -> Layout:
    """Programs, symbols and page tables at ``edge``."""
    reasons: list[str] = []

    def read(name: str, parse: Callable[[bytes], T]) -> T | None:
        data = files.raw(edge, name)
        if isinstance(data, Missing):
            reasons.append(data.reason)
            return None
        try:
            return parse(data)
        except DataError as error:
            reasons.append(f"{name}: {error}")
            return None

    progs = read("bpf_progs.json", text.programs)
    symbols = read("kallsyms_text", lambda d: text.kallsyms(d.decode(errors="replace")))
    tables = read("kernel_page_tables", lambda d: page_tables.parse(d.decode(errors="replace")))
    known = text.TextMap(progs, symbols) if progs is not None and symbols is not None else None
    return Layout(known, progs, symbols, tables, tuple(reasons))


def of_text(where: Layout, edge: str) -> list[Reading]:
    """How BPF text is mapped at ``edge``: programs, bytes, pages by size; W+X mappings."""
    at = {"at": edge}
    why = Missing("; ".join(where.reasons) or "unknown")
    out: list[Reading] = []

    def add(name: str, value: Value, unit: str) -> None:
        out.append(_reading(name, value, unit, at))

    progs = [p for p in where.programs or () if p.jited_len]
    spans = [span for p in progs for span in p.spans]
    known = where.programs is not None
    add("bpf.text.programs", len(progs) if known else why, "program")
    jited = sum(p.jited_len for p in progs)
    add("bpf.text.jited_bytes", jited if known else why, "B")
    if known and where.tables is not None:
        pages, unmapped = where.tables.pages(spans)
        for level, suffix in PAGE_NAMES.items():
            add(f"bpf.text.{suffix}", len(pages[level]), "page")
        mapped = sum(len(pages[level]) * page_tables.LEVEL_BYTES[level] for level in pages)
        add("bpf.text.mapped_bytes", mapped, "B")
        add("bpf.text.not_executable", unmapped, "program")
    else:
        for suffix in PAGE_NAMES.values():
            add(f"bpf.text.{suffix}", why, "page")
        add("bpf.text.mapped_bytes", why, "B")
    if where.text_map is not None:
        inside = sum(where.text_map.in_image(p.spans[0][0]) for p in progs if p.spans)
        add("bpf.text.in_kernel_image", inside, "program")
    else:
        add("bpf.text.in_kernel_image", why, "program")
    wx = page_tables.write_execute(where.tables) if where.tables is not None else why
    add("wx.mappings", wx, "mapping")
    if where.symbols is not None and where.tables is not None:
        for origin in ("bpf_trampoline", "bpf_dispatcher", "ftrace_trampoline"):
            starts = [s.address for s in where.symbols if text.origin_of(s) == origin]
            pages, _ = where.tables.pages([(a, a + 1) for a in starts])
            for level in ("pte", "pmd"):
                name = f"{origin.replace('_', '.', 1)}.{PAGE_NAMES[level]}"
                add(name, len(pages[level]), "page")
    return out
