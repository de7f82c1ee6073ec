# SPDX-License-Identifier: GPL-2.0-only
"""Whose text an address is, and what its misses add up to."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.counters.attribution import (
    ORIGINS,
    Finder,
    Misses,
    PageSize,
    attribute,
    of_site,
    top,
)
from harness.counters.facts import guest_symbols, page_tables
from harness.counters.facts.files import Files
from harness.counters.facts.guest_symbols import Program, Symbol
from harness.counters.facts.layout import layout
from harness.counters.facts.text_map import TextMap
from harness.errors import DataError
from harness.tests.unit.captured_trials import MIXED, trial

TEXT, ETEXT = 0xFFFFFFFF81000000, 0xFFFFFFFF81A016F2
INIT, END = 0xFFFFFFFF8260B000, 0xFFFFFFFF8281C000
MODULES = 0xFFFFFFFFC0000000
IMAGE = (
    Symbol(TEXT, "_text", ""),
    Symbol(ETEXT, "_etext", ""),
    Symbol(INIT, "_sinittext", ""),
    Symbol(END, "_end", ""),
)


def program(number: int, *spans: tuple[int, int]) -> Program:
    return Program(
        id=number,
        name=f"p{number}",
        tag="0",
        type=2,
        jited_len=sum(length for _, length in spans),
        xlated_len=8,
        ksyms=[hex(start) for start, _ in spans],
        func_lens=[length for _, length in spans],
    )


def symbol(found: Program) -> tuple[Symbol, ...]:
    return tuple(Symbol(start, f"bpf_prog_0_{found.name}", "bpf") for start, _ in found.spans)


@dataclass(frozen=True)
class Missing:
    """A site."""

    address: str
    page: PageSize = "4k"
    stlb_hits: int = 0
    walks: int = 1
    user: bool = False


def test_a_program_in_the_images_tail_is_a_program() -> None:
    """The execmem variant puts the first programs behind _etext, in the image's last page."""
    tail = ETEXT + 0x10E - 0x10E % 64
    inside = program(7, (tail, 100))
    found = TextMap([inside], sorted((*IMAGE, *symbol(inside)), key=lambda s: s.address))
    assert found.find(tail) == ("bpf_prog", "p7#7")
    assert found.find(tail + 99) == ("bpf_prog", "p7#7")
    assert found.find(ETEXT - 1) == ("kernel_image", "")
    assert found.find(TEXT) == ("kernel_image", "")
    assert found.find(INIT + 5) == ("kernel_image", "")
    assert found.find(ETEXT) == ("other", "")  # between them: nobody said that it is text
    assert found.find(END) == ("other", "")
    assert found.in_last_page(tail)
    assert not found.in_last_page(MODULES)


def test_exact_bounds_of_every_function() -> None:
    two = program(3, (MODULES, 64), (MODULES + 128, 32))
    found = TextMap([two], (*IMAGE, *symbol(two)))
    assert found.find(MODULES + 63) == ("bpf_prog", "p3#3")
    assert found.find(MODULES + 130) == ("bpf_prog", "p3#3")
    # Behind a program's end, in its page: text of a program that has no symbol.
    assert found.find(MODULES + 64) == ("bpf_prog", "")
    assert found.find(MODULES + 4096) == ("other", "")


def test_a_symbol_reaches_to_the_end_of_its_page_and_a_module_to_its_last_symbol() -> None:
    symbols = (
        *IMAGE,
        Symbol(MODULES, "ftrace_trampoline", "__builtin__ftrace"),
        Symbol(MODULES + 0x1000, "bpf_trampoline_1", "bpf"),
        Symbol(MODULES + 0x1800, "bpf_dispatcher_xdp", "bpf"),
        Symbol(MODULES + 0x3000, "kprobe_optinsn_page", "__builtin__kprobes"),
        Symbol(MODULES + 0x5000, "first", "veth"),
        Symbol(MODULES + 0x9010, "last", "veth"),
    )
    found = TextMap([], symbols)
    for offset, expected in (
        (0xFFF, ("ftrace_trampoline", "ftrace_trampoline")),
        (0x17FF, ("bpf_trampoline", "bpf_trampoline_1")),
        (0x1FFF, ("bpf_dispatcher", "bpf_dispatcher_xdp")),
        (0x2000, ("other", "")),
        (0x3010, ("kprobe", "kprobe_optinsn_page")),
        (0x7ABC, ("module", "veth")),
        (0x9FFF, ("module", "veth")),
        (0xA000, ("other", "")),
    ):
        assert found.find(MODULES + offset) == expected


def test_modules_and_trampolines_of_a_guest() -> None:
    raw = trial(MIXED)
    where = layout(Files(raw.files, raw.absent), "close")
    assert where.text_map is not None and where.symbols is not None and where.tables is not None
    owners = {"akcipher", "af_alg", "cryptomgr", "aes_generic", "libaes", "aead", "crypto_algapi"}
    assert {s.owner for s in where.symbols if guest_symbols.origin_of(s) == "module"} == owners
    # Every executable byte of the module area above the pack is somebody's.
    unclaimed = [
        hex(address)
        for r in where.tables.ranges
        if r.section == "Modules" and r.executable and r.start >= MODULES + 0x200000
        for address in range(r.start, r.end, 64)
        if where.text_map.find(address)[0] == "other"
    ]
    # One page holds classic BPF (the workload's socket filters) without a symbol.
    assert {address[:-3] for address in unclaimed} <= {"0xffffffffc0201"}


def test_unloaded_inside_the_window_is_found_at_its_opening() -> None:
    gone, stays = program(1, (MODULES, 64)), program(2, (MODULES + 0x2000, 64))
    opened = TextMap([gone, stays], (*IMAGE, *symbol(gone), *symbol(stays)))
    closed = TextMap([stays], (*IMAGE, *symbol(stays)))
    finder = Finder([closed, opened])
    assert finder.find(MODULES + 4) == ("bpf_prog", "p1#1")
    assert finder.find(MODULES + 0x2004) == ("bpf_prog", "p2#2")


def test_text_that_nobody_claims_is_named_by_its_page() -> None:
    dump = (
        "---[ Modules ]---\n"
        "0xffffffffc0000000-0xffffffffc0001000           4K     ro  x pte\n"
        "---[ Fixmap Area ]---\n"
    )
    finder = Finder([TextMap([], IMAGE)], page_tables.parse(dump))
    assert finder.find(MODULES + 0x123) == ("other", "0xffffffffc0000000 (Modules)")
    assert finder.find(MODULES + 0x1123) == ("other", "0xffffffffc0001000")


def test_origins_must_add_up() -> None:
    finder = Finder([TextMap([], IMAGE)])
    sites = [Missing(hex(TEXT), "2m", 3, 5), Missing("0x401000", user=True, walks=2)]
    whole = Misses(stlb_hits=3, walks_4k=2, walks_2m=5)
    found = attribute(sites, finder, whole)
    assert set(found.by_origin) == set(ORIGINS)
    assert found.by_origin["user"] == Misses(walks_4k=2)
    assert found.by_origin["kernel_image"] == Misses(stlb_hits=3, walks_2m=5)
    with pytest.raises(DataError, match="add up"):
        attribute(sites, finder, Misses(stlb_hits=3, walks_4k=3, walks_2m=5))


_SITES = st.lists(
    st.builds(
        Missing,
        address=st.integers(MODULES, MODULES + 0x4000).map(hex),
        page=st.sampled_from(["4k", "2m", "1g"]),
        stlb_hits=st.integers(0, 9),
        walks=st.integers(0, 9),
        user=st.booleans(),
    ),
    max_size=30,
)


@given(_SITES)
def test_no_miss_is_lost_or_made_up(sites: list[Missing]) -> None:
    progs = [program(n, (MODULES + n * 0x800, 0x400)) for n in range(6)]
    names = [s for p in progs for s in symbol(p)]
    finder = Finder([TextMap(progs, sorted((*IMAGE, *names), key=lambda s: s.address))])
    whole = sum(map(of_site, sites), Misses())
    found = attribute(sites, finder, whole)
    assert sum(found.by_origin.values(), Misses()) == whole
    for origin in ORIGINS:
        named = [m for (of, _), m in found.by_name.items() if of == origin]
        assert sum(m.walks for m in named) <= found.by_origin[origin].walks
    chosen = top(found.by_name, 3)
    assert len(chosen) == min(3, len(found.by_name))
    walks = [s.walks_4k + s.walks_2m_4m + s.walks_1g for s in chosen]
    assert walks == sorted(walks, reverse=True)
