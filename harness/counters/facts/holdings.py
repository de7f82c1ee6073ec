# SPDX-License-Identifier: GPL-2.0-only
"""What dynamic text costs at one edge: memory held for BPF text, pages that map modules."""

from harness.counters.facts import held, module_pages
from harness.counters.facts.files import Files, Missing, Value, computed
from harness.counters.facts.layout import PAGE_NAMES, Layout
from harness.errors import DataError
from harness.metrics.readers import Part
from harness.model.reading import Reading, Status

MODULES = "proc/modules"


def of_edge(files: Files, where: Layout, edge: str) -> list[Reading]:
    """Readings of ``edge``, whose text is at ``where``."""
    at = {"at": edge}
    bpf = _bpf(files, where, edge)
    bytes_held: dict[str, float | Missing] = {
        "bpf": bpf,
        "per_jited": _per_jited_byte(bpf, where),
        "all": held.by_all(files, edge),
    }
    return [
        *computed(Part.HELD, bytes_held, at),
        *computed(Part.MODULES, _modules(files, where, edge), at),
    ]


def _per_jited_byte(bytes_held: Value, where: Layout) -> float | Missing:
    """Bytes held per JITed byte; undefined without programs."""
    if isinstance(bytes_held, Missing):
        return bytes_held
    if where.programs is None:
        return Missing("; ".join(where.reasons))
    jited = sum(program.jited_len for program in where.programs)
    if not jited:
        return Missing("no program is loaded", Status.NOT_COUNTED)
    return round(bytes_held / jited, 3)


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


def _modules(files: Files, where: Layout, edge: str) -> dict[str, Value]:
    """Only where the guest was asked for its modules and has some, or could not tell."""
    if not files.sampled(edge, MODULES):
        return {}
    loaded = files.parsed(
        edge, MODULES, lambda data: module_pages.parse(data.decode(errors="replace"))
    )
    if isinstance(loaded, Missing):
        return {"loaded": loaded}
    if not loaded:
        return {}
    values: dict[str, Value] = {
        "loaded": len(loaded),
        "bytes": sum(module.size for module in loaded),
    }
    why = Missing("; ".join(where.reasons) or "page tables are not known")
    mapped: module_pages.Mapped | None = None
    if where.tables is not None:
        try:
            mapped = module_pages.mapped(loaded, where.tables, where.symbols or ())
            why = Missing(module_pages.SHARED)
        except DataError as error:
            why = Missing(f"{MODULES}: {error}")
    for kind in module_pages.KINDS:
        for level in ("pte", "pmd"):
            pages = why if mapped is None else mapped.pages.get((kind, level), why)
            values[f"{kind}.{PAGE_NAMES[level]}"] = pages
        would_do = why if mapped is None else mapped.would_do.get(kind, why)
        values[f"{kind}.large_would_do"] = would_do
    return values
