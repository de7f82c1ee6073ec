# SPDX-License-Identifier: GPL-2.0-only
"""What dynamic text costs at one edge: memory held for BPF text, pages that map modules."""

from collections.abc import Mapping

from harness.counters.facts import held, modules
from harness.counters.facts.files import Files, Missing, Value, reading
from harness.counters.facts.layout import PAGE_NAMES, Layout
from harness.errors import DataError
from harness.model import Reading, Source, Status, unknown

MODULES = "proc/modules"


def of_edge(files: Files, where: Layout, edge: str) -> list[Reading]:
    """Readings of ``edge``, whose text is at ``where``."""
    at = {"at": edge}
    bpf = _bpf(files, where, edge)
    return [
        reading("bpf.text.held_bytes", bpf, "B", at),
        _per_jited_byte(bpf, where, at),
        reading("text.held_bytes", held.by_all(files, edge), "B", at),
        *_modules(files, where, edge),
    ]


def _per_jited_byte(bytes_held: Value, where: Layout, at: Mapping[str, str]) -> Reading:
    """Bytes held by bytes of machine code; of no program there is no ratio."""
    name, unit = "bpf.text.held_per_jited", "B/B"
    if isinstance(bytes_held, Missing):
        return reading(name, bytes_held, unit, at)
    if where.programs is None:
        return reading(name, Missing("; ".join(where.reasons)), unit, at)
    jited = sum(program.jited_len for program in where.programs)
    if not jited:
        why = "no program is loaded"
        return unknown(name, unit, Source.KERNEL, Status.NOT_COUNTED, why, at)
    return Reading(
        name=name, value=round(bytes_held / jited, 3), unit=unit, source=Source.KERNEL, labels=at
    )


def _bpf(files: Files, where: Layout, edge: str) -> Value:
    """Bytes held for BPF text; unknown where there is text and nobody is known to hold it."""
    total = held.by_bpf(files, edge)
    if isinstance(total, Missing) or total:
        return total
    if where.programs is None:
        return Missing("; ".join(where.reasons) or "programs are not known")
    if any(p.jited_len for p in where.programs):
        return Missing(f"{held.VMALLOC} names no function that is known to allocate BPF text")
    return total


def _modules(files: Files, where: Layout, edge: str) -> list[Reading]:
    """Only where the guest was asked for its modules and has some, or could not tell."""
    if not files.sampled(edge, MODULES):
        return []
    at = {"at": edge}
    found = files.parsed(edge, MODULES, lambda data: modules.parse(data.decode(errors="replace")))
    if isinstance(found, Missing):
        return [reading("modules.loaded", found, "module", at)]
    if not found:
        return []
    out = [
        reading("modules.loaded", len(found), "module", at),
        reading("modules.bytes", sum(module.size for module in found), "B", at),
    ]
    why = Missing("; ".join(where.reasons) or "page tables are not known")
    mapped: modules.Mapped | None = None
    if where.tables is not None:
        try:
            mapped = modules.mapped(found, where.tables, where.symbols or ())
            why = Missing(modules.SHARED)
        except DataError as error:
            why = Missing(f"{MODULES}: {error}")
    for kind in modules.KINDS:
        for level in ("pte", "pmd"):
            value: Value = why if mapped is None else mapped.pages.get((kind, level), why)
            out.append(reading(f"modules.{kind}.{PAGE_NAMES[level]}", value, "page", at))
        value = why if mapped is None else mapped.would_do.get(kind, why)
        out.append(reading(f"modules.{kind}.large_would_do", value, "page", at))
    return out
