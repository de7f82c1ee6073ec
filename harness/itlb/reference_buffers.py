# SPDX-License-Identifier: GPL-2.0-only
"""The buffers of the TLB model again, written from their description, not from the C code.

Each buffer is a list of sets; a set is a list of ways; a way is None or an entry. The
policies are written as the papers describe them, with trees as nested objects. There are no
shortcuts: a flush visits every entry, and every lookup searches.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

SIZES = ("4k", "16k", "2m", "1g")
SHIFT = {"4k": 12, "16k": 14, "2m": 21, "1g": 30}
IN_TABLES = {"4k": "4k", "16k": "4k", "2m": "2m", "1g": "1g", "-": "-"}
"""What page tables have where a walk counts a page of that size: 16k is four of 4k."""


@dataclass(frozen=True)
class Page:
    """A page: the size that a walk counts it as, and the one in the guest's page tables."""

    counted: str
    guest: str


class Entry(NamedTuple):
    """A cached translation: ``size`` of it is held, of the page ``whole``."""

    page: int
    size: str
    whole: Page
    tag: int
    is_global: bool


class Tree:
    """Tree-PLRU over ``leaves`` ways: each node remembers which half was used last."""

    def __init__(self, first: int, leaves: int) -> None:
        self.ways = list(range(first, first + leaves))
        self.used_right = True  # so that the first victim is the leftmost way
        half = leaves // 2
        self.halves = [Tree(first, half), Tree(first + half, half)] if leaves > 1 else []

    def touch(self, way: int) -> None:
        """``way`` was used."""
        if self.halves:
            self.used_right = way in self.halves[1].ways
            self.halves[self.used_right].touch(way)

    def state(self) -> object:
        """What later victims depend on."""
        return [self.used_right, *(half.state() for half in self.halves)]

    def victim(self, among: list[int]) -> int:
        """The way to replace: away from the last use at every node below those ``among``."""
        if not self.halves:
            return self.ways[0]
        for half in self.halves:
            if set(among) <= set(half.ways):
                return half.victim(among)
        return self.halves[not self.used_right].victim(self.halves[not self.used_right].ways)


class Groups:
    """Groups of four ways: the group after the most recent one, tree-PLRU in it."""

    def __init__(self, ways: int) -> None:
        self.trees = [Tree(4 * g, 4) for g in range(ways // 4)]
        self.recent = 0

    def touch(self, way: int) -> None:
        """``way`` was used."""
        self.recent = way // 4
        self.trees[self.recent].touch(way)

    def state(self) -> object:
        """What later victims depend on."""
        return [self.recent, *(tree.state() for tree in self.trees)]

    def victim(self, among: list[int]) -> int:
        """The way to replace; ``among`` is always all of them."""
        tree = self.trees[(self.recent + 1) % len(self.trees)]
        return tree.victim(tree.ways)


class Oldest:
    """LRU in one set."""

    def __init__(self, ways: int) -> None:
        self.order = list(range(ways))

    def touch(self, way: int) -> None:
        """``way`` was used."""
        self.order.remove(way)
        self.order.append(way)

    def state(self) -> object:
        """What later victims depend on."""
        return list(self.order)

    def victim(self, among: list[int]) -> int:
        """The way that was used longest ago."""
        return next(way for way in self.order if way in among)


@dataclass(frozen=True)
class Ways:
    """The ways that pages of one size may use, in groups of equal length."""

    groups: list[list[int]]

    @classmethod
    def parse(cls, text: str, ways: int) -> "Ways":
        """From ``all``, ``FIRST-LAST``, and either with `` by N``."""
        match = re.fullmatch(r"(?:all|(\d+)-(\d+))(?: by (\d+))?", text)
        if not match:
            raise ValueError(f"{text!r}: all or FIRST-LAST, with or without ' by N'")
        first, last, by = match.groups()
        usable = list(range(int(first), int(last) + 1)) if first else list(range(ways))
        length = int(by) if by else len(usable)
        return cls([usable[i : i + length] for i in range(0, len(usable), length)])


Cell = tuple[int, int]
"""Set and way of an entry."""


class Buffer:
    """One translation buffer."""

    def __init__(self, geometry: dict[str, Any]) -> None:
        self.ways: int = geometry["ways"]
        self.count: int = geometry["entries"] // self.ways
        self.index: str = geometry["index"]
        self.placement = {
            size: Ways.parse(geometry[size], self.ways) for size in SIZES if size in geometry
        }
        makers: dict[str, Callable[[], Tree | Groups | Oldest]] = {
            "tree-plru": lambda: Tree(0, self.ways),
            "mru3-plru4": lambda: Groups(self.ways),
            "lru": lambda: Oldest(self.ways),
        }
        self.make = makers[geometry["replacement"]]
        limit = geometry.get("pcids", "all")
        self.pcids: int | None = None if limit == "all" else limit
        self.recent = [0]  # tags, the current one first
        self.entries: dict[Cell, Entry] = {}
        self.policies: dict[int, Tree | Groups | Oldest] = {}  # of sets that were used
        self.known: dict[tuple[int, str], list[Cell]] = {}  # cells that were asked for

    def where(self, page: int, size: str) -> tuple[int, list[int]]:
        """The set and the ways in it for a page number."""
        groups = self.placement[size].groups
        rows = self.count * len(groups)
        if self.index == "xor":
            page ^= page // rows
        row = page % rows
        return row % self.count, groups[row // self.count]

    def cells(self, page: int, size: str) -> list[Cell]:
        """Set and way of every entry that may hold a page number."""
        if (page, size) not in self.known:
            self.known[page, size] = self._cells(page, size)
        return self.known[page, size]

    def _cells(self, page: int, size: str) -> list[Cell]:
        number, ways = self.where(page, size)
        return [(number, way) for way in ways]

    def policy(self, number: int) -> Tree | Groups | Oldest:
        """Who decides in that set."""
        if number not in self.policies:
            self.policies[number] = self.make()
        return self.policies[number]

    def touch(self, number: int, way: int) -> None:
        """The entry there was used."""
        self.policy(number).touch(way)

    def victim(self, cells: list[Cell]) -> Cell:
        """Which of ``cells``, all taken, is replaced."""
        number = cells[0][0]
        return number, self.policy(number).victim([way for _, way in cells])

    def state(self) -> object:
        """What later answers depend on."""
        return sorted(self.entries.items()), {
            number: policy.state() for number, policy in self.policies.items()
        }

    def lookup(self, address: int, size: str, tag: int) -> Entry | None:
        """The entry for ``address``, now used; None on a miss. ``size`` is one that it holds."""
        page = address >> SHIFT[size]
        for cell in self.cells(page, size):
            entry = self.entries.get(cell)
            if entry is not None and entry.page == page and entry.size == size:
                if not (entry.is_global or entry.tag == tag):
                    continue
                self.touch(*cell)
                return entry
        return None

    def fill(self, address: int, size: str, whole: Page, tag: int, is_global: bool) -> None:
        """Put the translation in, in the first free way or over the victim."""
        page = address >> SHIFT[size]
        cells = self.cells(page, size)
        free = (cell for cell in cells if cell not in self.entries)
        cell = next(free, None) or self.victim(cells)
        self.entries[cell] = Entry(page, size, whole, tag, is_global)
        self.touch(*cell)

    def select(self, tag: int) -> None:
        """CR3 was written: ``tag`` is the current one. Tags beyond the limit are given up."""
        if self.pcids is None:
            return
        self.recent = [tag, *(other for other in self.recent if other != tag)]
        gone = self.recent[self.pcids :]
        self.recent = self.recent[: self.pcids]
        self.drop(lambda e: not e.is_global and (e.tag in gone or self.pcids == 0))

    def drop(self, which: Callable[[Entry], bool]) -> None:
        """Forget every entry for which ``which`` holds."""
        self.entries = {cell: e for cell, e in self.entries.items() if not which(e)}


def bits(page: int, first: int, count: int) -> int:
    """``count`` bits of a page number from bit ``first`` on."""
    return (page >> first) & ((1 << count) - 1)


class SkewedBuffer(Buffer):
    """A buffer in which a page has another set in each way (Seznec and Bodin, 1993)."""

    def __init__(self, geometry: dict[str, Any]) -> None:
        super().__init__(geometry)
        self.used: dict[Cell, int] = {}  # entry -> when it was last used
        self.now = 0

    def _cells(self, page: int, size: str) -> list[Cell]:
        """In way ``w``: the lowest bits rotated left by ``w``, xor all higher chunks of bits."""
        width = self.count.bit_length() - 1
        groups = self.placement[size].groups
        choice = len(groups).bit_length() - 1
        group = high = 0
        for first in range(width, 64, choice or 64):
            group ^= bits(page, first, choice)
        for first in range(width, 64, width or 64):
            high ^= bits(page, first, width)
        low = format(bits(page, 0, width), f"0{width}b") if width else ""
        rotated = {
            way: low[way % width :] + low[: way % width] if low else "0" for way in groups[group]
        }
        return [(int(digits, 2) ^ high, way) for way, digits in rotated.items()]

    def touch(self, number: int, way: int) -> None:
        """The entry there was used."""
        self.now += 1
        self.used[number, way] = self.now

    def victim(self, cells: list[Cell]) -> Cell:
        """Which of ``cells``, all taken, was used longest ago."""
        return min(cells, key=self.used.__getitem__)

    def state(self) -> object:
        """What later answers depend on."""
        return sorted(self.entries.items()), sorted(self.used, key=self.used.__getitem__)


def buffer_of(geometry: dict[str, Any]) -> Buffer:
    """An empty buffer."""
    return SkewedBuffer(geometry) if geometry["index"] == "skewed" else Buffer(geometry)
