# SPDX-License-Identifier: GPL-2.0-only
"""What modules are made of, as the kernel lays them out: bytes and pages by part.

The layout is that of ``layout_sections()`` and ``layout_symtab()`` in kernel/module/: sections by
what they may do, each part on pages of its own (CONFIG_STRICT_MODULE_RWX).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.kernel.module_sections import ModuleFile, Section

PAGE = 4096
LARGE = 2 << 20


class Part(StrEnum):
    """What the kernel keeps apart."""

    TEXT = "text"
    RODATA = "read-only data"
    AFTER_INIT = "read only after init"
    DATA = "data"
    SYMBOLS = "symbols"
    INIT_TEXT = "init text"
    INIT_RODATA = "init read-only data"
    INIT_DATA = "init data"


STAYS = (Part.TEXT, Part.RODATA, Part.AFTER_INIT, Part.DATA, Part.SYMBOLS)
"""Parts that are there as long as the module is."""


@dataclass(frozen=True, kw_only=True)
class PartSizes:
    """One part over all modules. ``largest`` names the module with most bytes of it."""

    part: Part
    bytes: int
    pages: int  # of 4 kB, each module's on its own
    modules: int  # that have any
    median: int  # bytes, of the modules that have any
    largest: str
    largest_bytes: int

    @property
    def packed_pages(self) -> int:
        """4 kB pages if all modules' shared them."""
        return -(-self.bytes // PAGE)

    @property
    def large_pages(self) -> int:
        """2 MB pages if all modules' shared them."""
        return -(-self.bytes // LARGE)


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """All modules of a kernel. ``per_cpu`` in bytes a CPU."""

    modules: int
    parts: tuple[PartSizes, ...]  # each of ``Part``, in its order
    per_cpu: int

    def total(self, what: str) -> int:
        """Sum of the attribute ``what`` over the parts that stay."""
        return sum(getattr(one, what) for one in self.parts if one.part in STAYS)


def layout(module: ModuleFile) -> dict[Part, int]:
    """Bytes of each part of one module, with what aligning its sections costs."""
    sizes = dict.fromkeys(Part, 0)
    for section in module.sections:
        part = _part(section)
        sizes[part] = -(-sizes[part] // section.align) * section.align + section.size
    sizes[Part.SYMBOLS] = module.symbol_bytes
    return sizes


def _part(section: Section) -> Part:
    """The first of the kernel's masks that the section fits."""
    if section.executable:
        return Part.INIT_TEXT if section.until_init else Part.TEXT
    if section.after_init and not section.until_init:
        return Part.AFTER_INIT
    if section.writable:
        return Part.INIT_DATA if section.until_init else Part.DATA
    return Part.INIT_RODATA if section.until_init else Part.RODATA


def anatomy(modules: Iterable[ModuleFile]) -> Anatomy:
    """What ``modules`` are made of."""
    known = list(modules)
    layouts = [(module.name, layout(module)) for module in known]
    return Anatomy(
        modules=len(known),
        parts=tuple(
            _sizes(part, sorted((sizes[part], name) for name, sizes in layouts if sizes[part]))
            for part in Part
        ),
        per_cpu=sum(module.per_cpu for module in known),
    )


def _sizes(part: Part, found: Sequence[tuple[int, str]]) -> PartSizes:
    sizes = [size for size, _ in found]
    largest, name = found[-1] if found else (0, "")
    return PartSizes(
        part=part,
        bytes=sum(sizes),
        pages=sum(-(-size // PAGE) for size in sizes),
        modules=len(sizes),
        median=sizes[(len(sizes) - 1) // 2] if sizes else 0,
        largest=name,
        largest_bytes=largest,
    )
