# SPDX-License-Identifier: GPL-2.0-only
"""The TLB model again: slow, plain, and written from its description, not from the C code.

Its buffers are in ``reference_buffers``.
"""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.itlb.reference_buffers import (
    IN_TABLES,
    SHIFT,
    SIZES,
    Buffer,
    Entry,
    Page,
    buffer_of,
)

CODE = ("l1_4k", "l1_2m", "l1")
LOADS = ("data_4k", "data_2m", "data_1g", "data")


@dataclass
class Side:
    """What fetches, loads or stores look in: first levels and second levels, in order."""

    first: list[Buffer]
    second: list[Buffer]


def place(buffers: list[Buffer], size: str) -> tuple[Buffer, str] | None:
    """The buffer for a page of ``size``, and the size of the piece that it holds of it."""
    for held in reversed(SIZES[: SIZES.index(size) + 1]):
        for buffer in buffers:
            if held in buffer.placement:
                return buffer, held
    return None


class Model:
    """All levels, as ``hierarchy.h`` describes them."""

    def __init__(self, profile: dict[str, Any]) -> None:
        self.buffers = {
            name: buffer_of(profile[name])
            for name in (*CODE, "stlb", *LOADS, "store", "data_stlb")
            if name in profile and profile[name]["entries"]
        }
        shared = ("stlb",) if profile["second_level"] == "shared" else ()
        self.code = self._side(CODE, ("stlb",))
        self.loads = self._side(LOADS, (*shared, "data_stlb"))
        stores = ("store",) if "store" in self.buffers else LOADS
        self.stores = self._side(stores, (*shared, "data_stlb"))

    def _side(self, first: tuple[str, ...], second: tuple[str, ...]) -> Side:
        def known(names: tuple[str, ...]) -> list[Buffer]:
            return [self.buffers[name] for name in names if name in self.buffers]

        return Side(known(first), known(second))

    def fetch(self, address: int, tag: int, size: str, is_global: bool, guest: str = "") -> str:
        """l, s, w or x: first-level hit, STLB hit, walk, not mapped (``size`` "-").

        ``guest``: size of the page in the guest's tables, where the host splits it to ``size``.
        """
        return self._access(
            self.code, address, tag, Page(size, guest or IN_TABLES[size]), is_global
        )

    def load(self, address: int, tag: int, size: str, is_global: bool) -> str:
        """As :meth:`fetch`, of a load."""
        return self._access(self.loads, address, tag, Page(size, IN_TABLES[size]), is_global)

    def store(self, address: int, tag: int, size: str, is_global: bool) -> str:
        """As :meth:`fetch`, of a store."""
        return self._access(self.stores, address, tag, Page(size, IN_TABLES[size]), is_global)

    def _access(self, side: Side, address: int, tag: int, page: Page, is_global: bool) -> str:
        if self._search(side.first, address, tag):
            return "l"
        hit = self._search(side.second, address, tag)
        if hit:
            self._fill(side.first, address, hit.whole, tag, hit.is_global)
            return "s"
        if page.counted == "-":
            return "x"
        self._fill(side.second, address, page, tag, is_global)
        self._fill(side.first, address, page, tag, is_global)
        return "w"

    @staticmethod
    def _search(buffers: list[Buffer], address: int, tag: int) -> Entry | None:
        for buffer in buffers:
            for size in buffer.placement:
                entry = buffer.lookup(address, size, tag)
                if entry:
                    return entry
        return None

    @staticmethod
    def _fill(buffers: list[Buffer], address: int, page: Page, tag: int, is_global: bool) -> None:
        placed = place(buffers, page.counted)
        if placed:  # a side may have no second level
            buffer, held = placed
            buffer.fill(address, held, page, tag, is_global)

    def drop(self, which: Callable[[Entry], bool]) -> None:
        """Forget entries in every buffer."""
        for buffer in self.buffers.values():
            buffer.drop(which)

    def select(self, tag: int) -> None:
        """CR3 was written and ``tag`` is the current one."""
        for buffer in self.buffers.values():
            buffer.select(tag)

    def flush_tag(self, tag: int) -> None:
        """Forget what is not global and has this tag."""
        self.drop(lambda e: not e.is_global and e.tag == tag)

    def flush_page(self, address: int, tag: int) -> None:
        """Forget the entries for the page of ``address``, and for all pieces of a page that is
        held in pieces: this tag's, and global ones."""

        def covers(e: Entry) -> bool:
            shift = max(SHIFT[e.size], SHIFT[e.whole.guest])
            return e.page << SHIFT[e.size] >> shift == address >> shift

        self.drop(lambda e: covers(e) and (e.is_global or e.tag == tag))


def answers(model: Model, trace: Iterator[str]) -> str:
    """What the model answers to a trace in the language of ``driver.c``: a letter an access."""
    out = []
    for line in trace:
        op, *fields = line.split()
        if op in "fds":
            access = {"f": model.fetch, "d": model.load, "s": model.store}[op]
            address, tag, size, is_global = fields
            out.append(access(int(address, 16), int(tag, 16), size, is_global == "1"))
        elif op == "a":
            model.drop(lambda _: True)
        elif op == "n":
            model.drop(lambda e: not e.is_global)
        elif op == "t":
            model.flush_tag(int(fields[0], 16))
        elif op == "c":
            model.select(int(fields[0], 16))
        elif op == "p":
            model.flush_page(int(fields[0], 16), int(fields[1], 16))
        else:
            raise ValueError(f"trace line {line!r}")
    return "".join(out)


def load_profile(path: Path) -> dict[str, Any]:
    """A profile file as nested mappings; its syntax is close to TOML but for bare words."""
    lines = []
    for line in path.read_text().splitlines():
        key, equals, value = line.split("#", 1)[0].partition("=")
        if equals:
            value = value.strip()
            lines.append(f"{key.strip()} = {value if value.isdigit() else repr(value)}")
    return tomllib.loads("\n".join(lines))
