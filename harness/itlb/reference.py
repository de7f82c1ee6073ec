# SPDX-License-Identifier: GPL-2.0-only
"""The iTLB model again: slow, plain, and written from its description, not from the C code.

Each buffer is a list of sets; a set is a list of ways; a way is None or an entry. The
policies are written as the papers describe them, with trees as nested lists.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHIFT = {"4k": 12, "2m": 21, "1g": 30}


@dataclass(frozen=True)
class Entry:
    """A cached translation."""

    page: int
    size: str
    tag: int
    is_global: bool


class Tree:
    """Tree-PLRU over ``leaves`` ways: each node remembers which half was used last."""

    def __init__(self, first: int, leaves: int) -> None:
        self.first = first
        self.leaves = leaves
        self.used_right = True  # so that the first victim is the leftmost way
        half = leaves // 2
        self.halves = [Tree(first, half), Tree(first + half, half)] if leaves > 1 else []

    def touch(self, way: int) -> None:
        """``way`` was used."""
        if self.halves:
            self.used_right = way >= self.first + self.leaves // 2
            self.halves[self.used_right].touch(way)

    def victim(self) -> int:
        """The way to replace: away from the last use at every node."""
        return self.halves[not self.used_right].victim() if self.halves else self.first


class Groups:
    """Three groups of four ways: the group after the most recent one, tree-PLRU in it."""

    def __init__(self) -> None:
        self.trees = [Tree(4 * g, 4) for g in range(3)]
        self.recent = 0

    def touch(self, way: int) -> None:
        """``way`` was used."""
        self.recent = way // 4
        self.trees[self.recent].touch(way)

    def victim(self) -> int:
        """The way to replace."""
        return self.trees[(self.recent + 1) % 3].victim()


class Oldest:
    """LRU."""

    def __init__(self, ways: int) -> None:
        self.order = list(range(ways))

    def touch(self, way: int) -> None:
        """``way`` was used."""
        self.order.remove(way)
        self.order.append(way)

    def victim(self) -> int:
        """The way that was used longest ago."""
        return self.order[0]


class Buffer:
    """One translation buffer."""

    def __init__(self, geometry: dict[str, Any]) -> None:
        self.ways: int = geometry["ways"] if geometry["entries"] else 0
        self.count: int = geometry["entries"] // self.ways if self.ways else 0
        self.index: str = geometry["index"]
        makers: dict[str, Callable[[], Tree | Groups | Oldest]] = {
            "tree-plru": lambda: Tree(0, self.ways),
            "mru3-plru4": Groups,
            "lru": lambda: Oldest(self.ways),
        }
        make = makers[geometry["replacement"]]
        self.sets: list[list[Entry | None]] = [[None] * self.ways for _ in range(self.count)]
        self.policies = [make() for _ in range(self.count)]

    def _set(self, page: int) -> int:
        bits = self.count.bit_length() - 1
        if self.index == "xor":
            page ^= page >> bits
        return page % self.count

    def lookup(self, address: int, size: str, tag: int) -> Entry | None:
        """The entry for ``address``, now used; None on a miss."""
        if not self.count:
            return None
        page = address >> SHIFT[size]
        number = self._set(page)
        for way, entry in enumerate(self.sets[number]):
            if (
                entry
                and (entry.page, entry.size) == (page, size)
                and (entry.is_global or entry.tag == tag)
            ):
                self.policies[number].touch(way)
                return entry
        return None

    def fill(self, address: int, size: str, tag: int, is_global: bool) -> None:
        """Put the translation in, in the first free way or over the victim."""
        if not self.count:
            return
        page = address >> SHIFT[size]
        number = self._set(page)
        ways = self.sets[number]
        way = ways.index(None) if None in ways else self.policies[number].victim()
        ways[way] = Entry(page, size, tag, is_global)
        self.policies[number].touch(way)

    def drop(self, which: Callable[[Entry], bool]) -> None:
        """Forget every entry for which ``which`` holds."""
        self.sets = [[None if e and which(e) else e for e in ways] for ways in self.sets]


class Model:
    """First levels and second level, as ``hierarchy.h`` describes them."""

    def __init__(self, profile: dict[str, Any]) -> None:
        self.small = Buffer(profile["l1_4k"])
        self.large = Buffer(profile["l1_2m"])
        self.second = Buffer(profile["stlb"])

    def fetch(self, address: int, tag: int, size: str, is_global: bool) -> str:
        """l, s, w or x: first-level hit, STLB hit, walk, not mapped (``size`` "-")."""
        if self.small.lookup(address, "4k", tag) or self.large.lookup(address, "2m", tag):
            return "l"
        for held in ("4k", "2m"):
            entry = self.second.lookup(address, held, tag)
            if entry:
                self._first(held).fill(address, held, tag, entry.is_global)
                return "s"
        if size == "-":
            return "x"
        held = "4k" if size == "4k" else "2m"
        self.second.fill(address, held, tag, is_global)
        self._first(held).fill(address, held, tag, is_global)
        return "w"

    def _first(self, held: str) -> Buffer:
        return self.small if held == "4k" else self.large

    def drop(self, which: Callable[[Entry], bool]) -> None:
        """Forget entries in all three buffers."""
        for buffer in (self.small, self.large, self.second):
            buffer.drop(which)


def load_profile(path: Path) -> dict[str, Any]:
    """A profile file as nested mappings; its syntax is close to TOML but for bare words."""
    lines = []
    for line in path.read_text().splitlines():
        key, equals, value = line.split("#", 1)[0].partition("=")
        if equals:
            value = value.strip()
            lines.append(f"{key.strip()} = {value if value.isdigit() else repr(value)}")
    return tomllib.loads("\n".join(lines))
