# SPDX-License-Identifier: GPL-2.0-only
"""The walk over the guest's page tables, against one in Python that takes no shortcut."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import proc
from harness.itlb import plugin
from harness.tests.unit.compiled_once import compiled
from harness.tests.unit.itlb_driver import SANITIZE

PRESENT, WRITE, ACCESSED, DIRTY, LARGE, GLOBAL = 1, 2, 0x20, 0x40, 0x80, 0x100
NX = 1 << 63
ADDRESS = 0x000F_FFFF_FFFF_F000
DIRECT = {4: 0xFFFF_8880_0000_0000, 5: 0xFF11_0000_0000_0000}
IMAGE, IMAGE_END = 0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_FF00_0000
SIZES = {1: "4k", 2: "2m", 3: "1g"}
BOUND = 1 << 24
EXAMPLES = 500 if os.environ.get("CI") else 60
ROOT, USER_ROOT = 0x2000, 0x3000


@dataclass
class Tables:
    """Physical memory that holds page tables, by table and slot."""

    levels: int = 4
    cr3: int = ROOT
    entries: dict[int, dict[int, int]] = field(default_factory=dict)
    unreadable: list[int] = field(default_factory=list)
    next_table: int = 0x10000

    def put(self, table: int, slot: int, value: int) -> None:
        self.entries.setdefault(table, {})[slot] = value

    def fill(self, table: int, value: int) -> None:
        self.entries[table] = dict.fromkeys(range(512), value)

    def table(self) -> int:
        """A table that is not used yet."""
        self.next_table += 0x1000
        return self.next_table

    def map(self, vaddr: int, size: str, value: int, above: int = PRESENT | WRITE) -> None:
        """One leaf and the tables on the way to it."""
        leaf = {name: level for level, name in SIZES.items()}[size]
        table = ROOT
        for level in range(self.levels, leaf, -1):
            slot = _slot(vaddr, level)
            entry = self.entries.get(table, {}).get(slot, 0)
            if not entry:
                entry = self.table() | above
                self.put(table, slot, entry)
            table = entry & ADDRESS
        self.put(table, _slot(vaddr, leaf), value | (LARGE if leaf > 1 else 0))

    def text(self, bound: int = BOUND) -> str:
        lines = [f"c {self.cr3:x} {self.levels} {bound:x}"]
        lines += [f"u {table:x}" for table in self.unreadable]
        for table, slots in self.entries.items():
            values = set(slots.values())
            if len(slots) == 512 and len(values) == 1:
                lines.append(f"f {table:x} {values.pop():x}")
            else:
                lines += [f"e {table:x} {slot:x} {value:x}" for slot, value in slots.items()]
        return "\n".join(lines) + "\n"


def _slot(vaddr: int, level: int) -> int:
    return vaddr >> (12 + 9 * (level - 1)) & 511


@dataclass(frozen=True)
class Leaf:
    vaddr: int
    physical: int
    level: int
    w: bool
    x: bool
    g: bool

    @property
    def bytes(self) -> int:
        return 4096 << 9 * (self.level - 1)


def leaves(tables: Tables, root: int) -> Iterator[Leaf]:
    """Every leaf of the kernel's half, in the order of addresses."""

    def below(table: int, start: int, level: int, w: bool, x: bool) -> Iterator[Leaf]:
        for slot, entry in sorted(tables.entries.get(table, {}).items()):
            vaddr = start + (slot << 12 + 9 * (level - 1))
            if not entry & PRESENT or (level == tables.levels and slot < 256):
                continue
            writes, runs = w and bool(entry & WRITE), x and not entry & NX
            if level == 1 or (level < 4 and entry & LARGE):
                size = 4096 << 9 * (level - 1)
                physical = entry & ADDRESS & -size
                yield Leaf(vaddr, physical, level, writes, runs, bool(entry & GLOBAL))
            else:
                yield from below(entry & ADDRESS, vaddr, level - 1, writes, runs)

    top = 1 << 12 + 9 * tables.levels
    yield from below(root, (1 << 64) - top, tables.levels, True, True)


def reference(tables: Tables, root: int) -> tuple[str | None, list[list[Any]]]:
    """The direct map's base and the runs that a snapshot has to have."""
    every = list(leaves(tables, root))
    first = next((leaf for leaf in every if leaf.vaddr >= DIRECT[tables.levels]), None)
    base = (first.vaddr - first.physical) % (1 << 64) if first else 1
    direct_map = None if base % (1 << 30) else base
    runs: list[list[Any]] = []
    end, kind = 0, None
    for leaf in every:
        direct = (leaf.vaddr - leaf.physical) % (1 << 64) == direct_map
        if not leaf.x and not direct and not IMAGE <= leaf.vaddr < IMAGE_END:
            continue
        letters = zip("wxgd", (leaf.w, leaf.x, leaf.g, direct), strict=True)
        flags = "".join(letter if on else "-" for letter, on in letters)
        if (leaf.vaddr, leaf.level, flags) == (end, *(kind or ())):
            runs[-1][1] += 1
        else:
            runs.append([f"{leaf.vaddr:#x}", 1, SIZES[leaf.level], flags])
        end, kind = leaf.vaddr + leaf.bytes, (leaf.level, flags)
    return (None if direct_map is None else f"{direct_map:#x}"), runs


@pytest.fixture(scope="module")
def walker(shared_folder: Path) -> Path:
    """The walk as a program, with ASan and UBSan."""
    files = [str(plugin.HERE / "walker.c"), str(plugin.SOURCES / "snapshot.c")]
    words = ["gcc", *plugin.CFLAGS, *SANITIZE, f"-I{plugin.SOURCES}", *files]
    return compiled(shared_folder, lambda out: [*words, "-o", str(out)])


def walk_and_count(walker: Path, tables: Tables, bound: int = BOUND) -> tuple[Any, int]:
    """The snapshot, and how many times memory was read for it."""
    output = proc.run([str(walker)], input=tables.text(bound)).stdout
    document, reads = output.rstrip("\n").rsplit("\n", 1)
    return json.loads(document), int(reads)


def walk(walker: Path, tables: Tables, bound: int = BOUND) -> Any:
    return walk_and_count(walker, tables, bound)[0]


def entries_read(walker: Path, tables: Tables) -> int:
    """Without those that tell whether the table is one of a pair, which no bound leaves out."""
    return walk_and_count(walker, tables)[1] - walk_and_count(walker, tables, 0)[1]


def same(walker: Path, tables: Tables, root: int = ROOT) -> Any:
    """The snapshot, once it equals the reference."""
    snapshot = walk(walker, tables)
    assert (snapshot["direct_map"], snapshot["runs"]) == reference(tables, root)
    assert (snapshot["complete"], snapshot["reason"]) == (True, "")
    return snapshot


FLAGS = st.sampled_from([0, WRITE, NX, WRITE | NX, WRITE | GLOBAL, NX | GLOBAL, ACCESSED | DIRTY])
TOP_SLOTS = {4: (0, 256, 272, 273, 274, 400, 510, 511), 5: (0, 256, 273, 274, 400, 511)}


@st.composite
def random_tables(draw: st.DrawFn) -> Tables:
    """A few tables of each level, with entries that share them, in places that matter."""
    levels = draw(st.sampled_from([4, 5]))
    tables = Tables(levels=levels)
    for level in range(levels, 0, -1):
        for number in range(1 if level == levels else draw(st.integers(1, 3))):
            here = ROOT if level == levels else 0x100000 * level + 0x1000 * number
            slots = TOP_SLOTS[levels] if level == levels else (0, 1, 2, 3, 254, 508, 510, 511)
            for slot in draw(st.sets(st.sampled_from(slots), max_size=5)):
                flags = draw(FLAGS)
                if level == 1 or (level <= 3 and draw(st.booleans())):
                    step = 12 + 9 * (level - 1)
                    at = (slot + draw(st.sampled_from([0, 0, 0, 1, 512]))) << step
                    noise = draw(st.sampled_from([0, 0x1000])) if level > 1 else 0  # PAT
                    flags |= at | noise | (LARGE if level > 1 else 0)
                else:
                    flags |= 0x100000 * (level - 1) + 0x1000 * draw(st.integers(0, 2))
                tables.put(here, slot, flags | draw(st.sampled_from([PRESENT, PRESENT, 0])))
    if draw(st.integers(0, 9)) == 0:
        shared = 0x100000 + 0x1000 * draw(st.integers(0, 2))
        tables.fill(shared, draw(FLAGS) | PRESENT | draw(st.sampled_from([0, 0x1000, 0x1FF000])))
    return tables


@settings(max_examples=EXAMPLES, deadline=None)
@given(tables=random_tables())
def test_equals_the_reference(walker: Path, tables: Tables) -> None:
    same(walker, tables)


@settings(max_examples=EXAMPLES // 6, deadline=None)
@given(tables=random_tables())
def test_one_entry_less_than_there_is_to_read_is_incomplete(walker: Path, tables: Tables) -> None:
    entries = entries_read(walker, tables)
    assert walk(walker, tables, entries)["complete"]
    short = walk(walker, tables, entries - 1)
    assert (short["complete"], short["reason"]) == (False, "more page tables than are read")


def guest(levels: int = 4, megabytes: int = 64) -> Tables:
    """What Linux maps, roughly: direct map, image, a module, a stack in vmalloc space."""
    tables = Tables(levels=levels)
    base = DIRECT[levels]
    for n in range(512):  # the first 2 MB are split
        tables.map(base + n * 4096, "4k", n * 4096 | PRESENT | NX | (WRITE if n > 3 else 0))
    for n in range(1, megabytes // 2):
        tables.map(base + (n << 21), "2m", n << 21 | PRESENT | WRITE | NX | GLOBAL)
    for n in range(8):
        data = NX | WRITE if n > 4 else 0
        tables.map(IMAGE + ((8 + n) << 21), "2m", (8 + n) << 21 | PRESENT | GLOBAL | data)
    tables.map(0xFFFF_FFFF_A000_0000, "4k", 0x3000000 | PRESENT)
    tables.map(0xFFFF_C900_0000_0000, "4k", 0x3100000 | PRESENT | WRITE | NX)
    tables.map(0xFFFF_C900_0000_2000, "4k", 0x3200000 | PRESENT | WRITE)
    return tables


@pytest.mark.parametrize("levels", [4, 5])
def test_a_kernel_as_linux_maps_it(walker: Path, levels: int) -> None:
    base = DIRECT[levels]
    snapshot = same(walker, guest(levels))
    assert snapshot["direct_map"] == f"{base:#x}"
    assert snapshot["isolated"] is False
    assert snapshot["runs"] == [
        [f"{base:#x}", 4, "4k", "---d"],
        [f"{base + 0x4000:#x}", 508, "4k", "w--d"],
        [f"{base + 0x200000:#x}", 31, "2m", "w-gd"],
        ["0xffffc90000002000", 1, "4k", "wx--"],
        ["0xffffffff81000000", 5, "2m", "-xg-"],
        ["0xffffffff81a00000", 3, "2m", "w-g-"],
        ["0xffffffffa0000000", 1, "4k", "-x--"],
    ]


def test_rights_are_those_of_all_levels(walker: Path) -> None:
    tables = Tables()
    tables.map(IMAGE, "4k", 0x5000 | PRESENT | WRITE, above=PRESENT)
    tables.map(IMAGE + (1 << 30), "4k", 0x6000 | PRESENT | WRITE, above=PRESENT | WRITE | NX)
    tables.put(ROOT, 511, tables.entries[ROOT][511] | WRITE)
    runs = same(walker, tables)["runs"]
    assert [run[3] for run in runs] == ["-x--", "w---"]


def test_the_fixmap_and_user_text_are_left_out(walker: Path) -> None:
    tables = Tables()
    tables.map(0x400000, "4k", 0x5000 | PRESENT)
    tables.map(IMAGE_END, "4k", 0x6000 | PRESENT | NX)
    tables.map(IMAGE_END - 4096, "4k", 0x7000 | PRESENT | NX)
    assert same(walker, tables)["runs"] == [[f"{IMAGE_END - 4096:#x}", 1, "4k", "----"]]


def test_a_base_that_is_not_on_a_gigabyte_is_no_direct_map(walker: Path) -> None:
    tables = Tables()
    tables.map(DIRECT[4], "2m", 0x200000 | PRESENT | NX)
    snapshot = same(walker, tables)
    assert (snapshot["direct_map"], snapshot["runs"]) == (None, [])
    assert same(walker, Tables())["direct_map"] is None


def test_a_direct_map_that_was_moved_is_found(walker: Path) -> None:
    tables = Tables()
    tables.map(DIRECT[4] + (37 << 30), "2m", 0 | PRESENT | NX)
    tables.map(DIRECT[4] + (38 << 30), "1g", 1 << 30 | PRESENT | NX)
    assert same(walker, tables)["runs"] == [
        [f"{DIRECT[4] + (37 << 30):#x}", 1, "2m", "---d"],
        [f"{DIRECT[4] + (38 << 30):#x}", 1, "1g", "---d"],
    ]


@pytest.mark.parametrize("levels", [4, 5])
def test_what_is_shared_costs_nothing(walker: Path, levels: int) -> None:
    """A shadow of KASAN's kind, terabytes of one read-only page; espfix, one page 65536 times."""
    tables = guest(levels)
    before = entries_read(walker, tables)
    below = 0x3300000 | PRESENT | NX
    for _ in range(levels - 1):
        table = tables.table()
        tables.fill(table, below)
        below = table | PRESENT | WRITE
    for slot in range(472, 504):
        tables.put(ROOT, slot, below)
    stacks, pages = tables.table(), tables.table()
    tables.put(ROOT, 510, stacks | PRESENT)
    for _ in range(levels - 3):
        tables.fill(stacks, (below := tables.table()) | PRESENT)
        stacks = below
    tables.fill(stacks, pages | PRESENT)
    for slot in range(0, 512, 16):
        tables.put(pages, slot, 0x3400000 | PRESENT | NX)
    snapshot = walk(walker, tables)
    assert snapshot["complete"]
    assert snapshot["runs"] == walk(walker, guest(levels))["runs"]
    new_tables = 2 * (levels - 1)
    assert entries_read(walker, tables) == before + 512 * new_tables


def test_shared_text_is_there_as_often_as_it_is_mapped(walker: Path) -> None:
    tables = Tables()
    middle, pages = tables.table(), tables.table()
    tables.put(ROOT, 300, middle | PRESENT)
    tables.put(middle, 0, (directory := tables.table()) | PRESENT | NX)
    tables.put(middle, 1, directory | PRESENT)  # the same once more, without NX
    tables.fill(directory, pages | PRESENT)
    tables.put(pages, 7, 0x5000 | PRESENT)
    snapshot = same(walker, tables)
    assert len(snapshot["runs"]) == 512
    assert {tuple(run[1:]) for run in snapshot["runs"]} == {(1, "4k", "-x--")}


def test_tables_that_refer_to_themselves_end(walker: Path) -> None:
    tables = Tables()
    tables.put(ROOT, 511, ROOT | PRESENT | WRITE)
    tables.put(ROOT, 510, ROOT | PRESENT | WRITE | NX)
    snapshot = walk(walker, tables)
    assert snapshot["complete"]


def test_a_table_that_cannot_be_read_is_said(walker: Path) -> None:
    tables = guest()
    tables.unreadable.append(tables.entries[ROOT][_slot(IMAGE, 4)] & ADDRESS)
    snapshot = walk(walker, tables)
    assert snapshot["complete"] is False
    assert snapshot["reason"] == "a page table that cannot be read"
    assert snapshot["direct_map"] == f"{DIRECT[4]:#x}"


def isolated_guest() -> Tables:
    """A process's two tables: the user's has of the kernel only what it enters through."""
    tables = guest()
    entry = tables.table() | PRESENT | WRITE
    tables.put(ROOT, 0, entry | NX)
    tables.put(ROOT, 255, entry + 0x100000 | NX)
    tables.put(USER_ROOT, 0, entry | ACCESSED)
    tables.put(USER_ROOT, 255, entry + 0x100000)
    tables.put(USER_ROOT, 511, (upper := tables.table()) | PRESENT | WRITE)
    tables.put(upper, _slot(IMAGE, 3), (middle := tables.table()) | PRESENT | WRITE)
    tables.put(middle, 8, 8 << 21 | PRESENT | LARGE | GLOBAL)
    return tables


@pytest.mark.parametrize("cr3", [ROOT, USER_ROOT, USER_ROOT | 0x801, 1 << 63 | USER_ROOT])
def test_of_a_pair_the_kernels_table_is_read(walker: Path, cr3: int) -> None:
    tables = isolated_guest()
    tables.cr3 = cr3
    snapshot = same(walker, tables, ROOT)
    assert snapshot["isolated"] is True
    assert snapshot["runs"] == walk(walker, guest())["runs"]


@pytest.mark.parametrize(
    "change",
    [
        (ROOT, 0, 0),  # the halves for user addresses differ
        (ROOT, 7, 0x77000 | PRESENT),
        (USER_ROOT, 0, 0x99000 | PRESENT),
        (USER_ROOT, 300, 0x99000 | PRESENT),  # the kernel lacks what the user's has
    ],
)
def test_neighbours_that_are_no_pair(walker: Path, change: tuple[int, int, int]) -> None:
    """A kernel that does not isolate may have put its table on any page."""
    tables = isolated_guest()
    tables.put(*change)
    tables.cr3 = USER_ROOT
    assert same(walker, tables, USER_ROOT)["isolated"] is False
    tables.cr3 = ROOT
    assert same(walker, tables, ROOT)["isolated"] is False


def test_a_table_beside_an_empty_page_is_no_pair(walker: Path) -> None:
    tables = guest()
    tables.cr3 = USER_ROOT
    tables.entries[USER_ROOT] = tables.entries.pop(ROOT)
    snapshot = same(walker, tables, USER_ROOT)
    assert snapshot["isolated"] is False
    assert len(snapshot["runs"]) == 7
