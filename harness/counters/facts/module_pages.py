# SPDX-License-Identifier: GPL-2.0-only
"""/proc/modules with the page tables: how the memory of loaded modules is mapped."""

import bisect
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.counters.facts.guest_symbols import TEXT_BYTES, Symbol
from harness.counters.facts.page_tables import LEVEL_BYTES, PageTables
from harness.errors import DataError

KINDS = ("text", "rodata", "data")
SMALL, LARGE = LEVEL_BYTES["pte"], LEVEL_BYTES["pmd"]
SHARED = "text of several modules shares large pages (Linux 6.13 and later): sizes are not known"
QUOTED = 60

_LINE = re.compile(r"^(\S+) (\d+) (?:\d+|-) \S+ (Live|Loading|Unloading) 0x([0-9a-f]{16})(?: |$)")


@dataclass(frozen=True)
class Module:
    """A loaded module: where its memory begins, and how many bytes it has.

    ``start`` is None for one without text, which is all that Linux 6.4 and later tell of.
    """

    name: str
    start: int | None
    size: int


@dataclass(frozen=True)
class Mapped:
    """Entries that map the modules' memory, by kind (``KINDS``) and level (pte, pmd), and the
    large pages that as many bytes would take if each kind stood together; what cannot be known
    is not there."""

    pages: dict[tuple[str, str], int]
    would_do: dict[str, int]


def parse(text: str) -> tuple[Module, ...]:
    """The modules of /proc/modules. An empty file is a kernel with none loaded.

    A kernel that hides addresses shows 0 for all of them, one that does not for modules without
    text. Raises DataError with the line for one that is not recognised or hides its address.
    """
    modules = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.match(line)
        if not match:
            raise DataError(f"line {number} is not a module: {line[:QUOTED]!r}")
        modules.append(Module(match[1], int(match[4], 16) or None, int(match[2])))
    if sum(module.size for module in modules) > TEXT_BYTES:
        raise DataError(f"modules have more than {TEXT_BYTES} bytes, more than their area")
    if modules and not any(module.start for module in modules):
        raise DataError("line 1 hides the address: kptr_restrict")
    return tuple(modules)


def mapped(modules: Sequence[Module], tables: PageTables, symbols: Sequence[Symbol] = ()) -> Mapped:
    """How the memory of ``modules`` is mapped. ``symbols`` are those of kallsyms.

    Until Linux 6.3 a module is one piece of small pages. Later it has one for each kind of
    memory, of which /proc/modules tells the text's address and the sizes' sum: the others are
    found by their symbols, and only if the sizes then add up. Text in large pages that
    several modules share (Linux 6.13) has no size of its own: its pages are known, the rest is
    not. Raises DataError for a module of which some piece is not found.
    """
    if all(_one_piece(module, tables) for module in modules):
        each_whole = [(m.start, m.start + m.size) for m in modules if m.start is not None]
        return _counted(each_whole, tables)
    owned = {m.name: [] if m.start is None else [m.start] for m in modules}
    for symbol in symbols:
        if symbol.owner in owned:
            owned[symbol.owner].append(symbol.address)
    taken: dict[int, str] = {}
    spans: list[tuple[int, int]] = []
    large: set[int] = set()
    missing = ""  # a module without text, of which not all is known
    for module in modules:
        pieces: set[tuple[int, int]] = set()
        shared = False
        for address in owned[module.name]:
            hit = tables.find(address)
            if hit is not None and hit.level == "pmd":
                shared = True
                large.add(address - address % LARGE)
            elif hit is not None:
                pieces.add(_stretch(address, tables))
        size = sum(end - start for start, end in pieces)
        if not shared and size != module.size:
            missing = (
                f"module {module.name} is in pieces, of which symbols tell {size} bytes of "
                f"{module.size} (Linux 6.4 and later; CONFIG_KALLSYMS_ALL tells more)"
            )
            if module.start is not None:
                raise DataError(missing)
        for start, _ in pieces:
            if taken.setdefault(start, module.name) != module.name:
                raise DataError(f"modules {taken[start]} and {module.name} share {start:#x}")
        spans += sorted(pieces)
    if missing and not large:
        raise DataError(missing)
    counted = _counted(spans, tables)
    if not large:
        return counted
    text = {("text", "pte"): counted.pages["text", "pte"], ("text", "pmd"): len(large)}
    return Mapped(text, {})


def _one_piece(module: Module, tables: PageTables) -> bool:
    """Whether it is all small pages, one after the other, that end with its data."""
    if module.start is None:
        return False
    hits = [tables.find(at) for at in range(module.start, module.start + module.size, SMALL)]
    kinds = {hit.kind if hit is not None and hit.level == "pte" else "" for hit in hits}
    return kinds <= set(KINDS) and "data" in kinds


def _stretch(address: int, tables: PageTables) -> tuple[int, int]:
    """What is mapped around ``address`` without a gap: areas have an unmapped page between."""
    place = bisect.bisect_right(tables.starts, address) - 1
    first = last = place
    while first and tables.ranges[first - 1].end == tables.ranges[first].start:
        first -= 1
    while (
        last + 1 < len(tables.ranges) and tables.ranges[last + 1].start == tables.ranges[last].end
    ):
        last += 1
    return tables.ranges[first].start, tables.ranges[last].end


def _counted(spans: Sequence[tuple[int, int]], tables: PageTables) -> Mapped:
    """Small pages of ``spans`` by kind. Raises DataError for one that may not be there."""
    pages = {(kind, level): 0 for kind in KINDS for level in ("pte", "pmd")}
    for start, end in spans:
        for at in range(start, end, SMALL):
            hit = tables.find(at)
            if hit is None or hit.kind not in KINDS or hit.level != "pte":
                raise DataError(f"a module's memory is not mapped by small pages at {at:#x}")
            pages[hit.kind, hit.level] += 1
    return Mapped(pages, {kind: -(-pages[kind, "pte"] * SMALL // LARGE) for kind in KINDS})
