# SPDX-License-Identifier: GPL-2.0-only
"""Where text was at one edge, and how it was mapped: programs, pages by size, W+X."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.counters.facts import guest_symbols, page_tables
from harness.counters.facts.files import Files, Missing, Value, computed
from harness.counters.facts.guest_tables import EdgeTables, from_dump
from harness.counters.facts.snapshots import IMAGE, MODULES
from harness.counters.facts.text_map import TextMap
from harness.metrics.readers import Part
from harness.model.reading import Reading

T = TypeVar("T")

PAGE_NAMES = {"pte": "pages_4k", "pmd": "pages_2m", "pud": "pages_1g"}
IMAGE_SECTIONS = (IMAGE,)
MODULE_SECTIONS = (MODULES,)


@dataclass(frozen=True)
class Layout:
    """Where text was at one edge; None for what could not be read, ``reasons`` say why."""

    text_map: TextMap | None
    programs: tuple[guest_symbols.Program, ...] | None
    symbols: tuple[guest_symbols.Symbol, ...] | None
    tables: page_tables.PageTables | None
    reasons: tuple[str, ...]


def layout(files: Files, edge: str, mapped: EdgeTables | None = None) -> Layout:
    """Programs, symbols and page tables at ``edge``.

    ``mapped`` are its page tables where the model read them; else the kernel's dump has them.
    """
    reasons: list[str] = []

    def read(name: str, parse: Callable[[bytes], T]) -> T | None:
        parsed = files.parsed(edge, name, parse)
        if isinstance(parsed, Missing):
            reasons.append(parsed.reason)
            return None
        return parsed

    progs = read("bpf_progs.json", guest_symbols.programs)
    symbols = read("kallsyms_text", lambda d: guest_symbols.kallsyms(d.decode(errors="replace")))
    mapped = mapped or from_dump(files, edge)
    if mapped.tables is None:
        reasons.append(mapped.reason)
    known = TextMap(progs, symbols) if progs is not None and symbols is not None else None
    return Layout(known, progs, symbols, mapped.tables, tuple(reasons))


def of_text(where: Layout, edge: str) -> list[Reading]:
    """How text is mapped at ``edge``: BPF programs, trampolines, the image, W+X mappings."""
    why = Missing("; ".join(where.reasons) or "unknown")
    values = {
        **_programs(where, why),
        **_program_pages(where, why),
        **_trampolines(where, why),
        **_regions(where, why),
    }
    return computed(Part.TEXT, values, {"at": edge})


Values = dict[str, Value]
"""By the key that metrics have for it."""


def _programs(where: Layout, why: Missing) -> Values:
    if where.programs is None:
        return dict.fromkeys(("programs", "jited_bytes", "in_kernel_image"), why)
    progs = [p for p in where.programs if p.jited_len]
    inside: Value = why
    if where.text_map is not None:
        if where.text_map.start is None or where.text_map.etext is None:
            inside = Missing("kallsyms_text has no _text and _etext")
        else:
            inside = sum(where.text_map.in_last_page(p.spans[0][0]) for p in progs if p.spans)
    return {
        "programs": len(progs),
        "jited_bytes": sum(p.jited_len for p in progs),
        "in_kernel_image": inside,
    }


def _program_pages(where: Layout, why: Missing) -> Values:
    names = {level: f"bpf_prog.{suffix}" for level, suffix in PAGE_NAMES.items()}
    if where.programs is None or where.tables is None:
        return dict.fromkeys((*names.values(), "mapped_bytes", "not_executable"), why)
    spans = [p.spans for p in where.programs if p.jited_len]
    pages, _ = where.tables.pages([span for of_one in spans for span in of_one])
    mapped = sum(len(pages[level]) * page_tables.LEVEL_BYTES[level] for level in pages)
    # A program counts once, however many of its functions are not wholly executable.
    broken = sum(where.tables.pages(of_one)[1] > 0 for of_one in spans)
    return {
        **{name: len(pages[level]) for level, name in names.items()},
        "mapped_bytes": mapped,
        "not_executable": broken,
    }


def _trampolines(where: Layout, why: Missing) -> Values:
    """Pages that hold the first byte of each: kallsyms tells no lengths."""
    values: Values = {}
    for origin in ("bpf_trampoline", "bpf_dispatcher", "ftrace_trampoline"):
        for level in ("pte", "pmd"):
            name = f"{origin}.{PAGE_NAMES[level]}"
            if where.symbols is None or where.tables is None:
                values[name] = why
                continue
            starts = [s.address for s in where.symbols if guest_symbols.origin_of(s) == origin]
            pages, _ = where.tables.pages([(a, a + 1) for a in starts])
            values[name] = len(pages[level])
    return values


def _regions(where: Layout, why: Missing) -> Values:
    """Pages of the kernel image's text and of the module area, by what they hold."""
    tables = where.tables
    wanted: dict[str, tuple[Sequence[str], str]] = {
        "kernel.text": (IMAGE_SECTIONS, "text"),
        "module_area.text": (MODULE_SECTIONS, "text"),
        "module_area.rodata": (MODULE_SECTIONS, "rodata"),
        "module_area.data": (MODULE_SECTIONS, "data"),
    }
    values: Values = {"write_execute": why if tables is None else tables.write_execute()}
    for name, (sections, kind) in wanted.items():
        for level in ("pte", "pmd"):
            value = why if tables is None else tables.count(sections, kind, level)
            values[f"{name}.{PAGE_NAMES[level]}"] = value
    return values
