# SPDX-License-Identifier: GPL-2.0-only
"""/proc/modules with the page tables: how the memory of loaded modules is mapped."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.counters.facts.page_tables import LEVEL_BYTES, PageTables
from harness.errors import DataError

KINDS = ("text", "rodata", "data")
LARGE = LEVEL_BYTES["pmd"]
QUOTED = 60

_LINE = re.compile(r"^(\S+) (\d+) (?:\d+|-) \S+ (Live|Loading|Unloading) 0x([0-9a-f]{16})(?: |$)")


@dataclass(frozen=True)
class Module:
    """A loaded module: where its memory begins, and how many bytes it has."""

    name: str
    start: int
    size: int


@dataclass(frozen=True)
class Mapped:
    """Entries that map the modules' memory, by kind (``KINDS``) and level (pte, pmd), and the
    large pages that as many bytes would take if each kind stood together."""

    pages: dict[tuple[str, str], int]
    would_do: dict[str, int]


def parse(text: str) -> tuple[Module, ...]:
    """The modules of /proc/modules. An empty file is a kernel with none loaded.

    Raises DataError with the line for one that is not recognised or hides its address.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.match(line)
        if not match:
            raise DataError(f"line {number} is no module: {line[:QUOTED]!r}")
        start = int(match[4], 16)
        if not start:
            raise DataError(f"line {number} hides the address: kptr_restrict")
        found.append(Module(match[1], start, int(match[2])))
    return tuple(found)


def mapped(modules: Sequence[Module], tables: PageTables) -> Mapped:
    """How the memory of ``modules`` is mapped.

    Raises DataError for a module whose memory is not one piece, as on kernels since
    Linux 6.4: the file tells only where its text begins.
    """
    seen: set[int] = set()
    pages = {(kind, level): 0 for kind in KINDS for level in ("pte", "pmd")}
    sizes = dict.fromkeys(KINDS, 0)
    for module in modules:
        at, end = module.start, module.start + module.size
        while at < end:
            hit = tables.find(at)
            if hit is None or hit.kind not in KINDS or hit.level == "pud":
                raise DataError(f"module {module.name} is not mapped as one piece at {at:#x}")
            page = at - at % hit.page_bytes
            after = page + hit.page_bytes
            sizes[hit.kind] += min(after, end) - at
            if page not in seen:
                seen.add(page)
                pages[hit.kind, hit.level] += 1
            at = after
    return Mapped(pages, {kind: -(-size // LARGE) for kind, size in sizes.items()})
