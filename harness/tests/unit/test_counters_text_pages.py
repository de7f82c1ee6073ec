# SPDX-License-Identifier: GPL-2.0-only
"""Which pages hold which programs, from real trials and from page tables made up."""

import pytest

from harness.counters.facts import layout
from harness.counters.facts.files import Files
from harness.counters.facts.guest_symbols import Program
from harness.counters.facts.layout import Layout
from harness.counters.facts.page_tables import LEVEL_BYTES, PageTables, Range
from harness.counters.facts.text_pages import text_pages
from harness.model.records import TextPage
from harness.tests.unit import captured_trials

BASE = 0xFFFFFFFFC0000000


def at_close(name: str) -> Layout:
    raw = captured_trials.trial(name)
    return layout.layout(Files(raw.files, raw.absent), "close")


@pytest.mark.parametrize("name", [*captured_trials.VARIANTS, captured_trials.MIXED])
def test_pages_of_a_real_trial_are_those_that_are_counted(name: str) -> None:
    where = at_close(name)
    pages = text_pages(where)
    assert pages is not None and where.programs is not None and where.tables is not None
    spans = [span for p in where.programs if p.jited_len for span in p.spans]
    by_level, outside = where.tables.pages(spans)
    assert not outside
    sizes = sorted(page.size * 4096 for page in pages.pages)
    assert sizes == sorted(size for level, size in LEVEL_BYTES.items() for _ in by_level[level])
    assert sum(page.used for page in pages.pages) == sum(end - start for start, end in spans)


def test_a_program_in_two_pages_is_in_both() -> None:
    where = made([program(7, "twice", (BASE + 4000, BASE + 5000))], pages(BASE, 2, "pte"))
    found = text_pages(where)
    assert found is not None
    assert found.pages == (
        TextPage(place=0, size=1, used=96, in_image=False, programs=((0, 1),)),
        TextPage(place=1, size=1, used=904, in_image=False, programs=((0, 1),)),
    )


def test_functions_of_one_program_count_once() -> None:
    spans = ((BASE, BASE + 64), (BASE + 64, BASE + 128))
    found = text_pages(made([program(1, "p", *spans)], pages(BASE, 1, "pmd")))
    assert found is not None
    assert found.pages == (
        TextPage(place=0, size=512, used=128, in_image=False, programs=((0, 1),)),
    )


def test_places_are_told_from_a_2_mb_boundary() -> None:
    at = BASE + (5 << 12)
    found = text_pages(made([program(1, "p", (at, at + 10))], pages(at, 1, "pte")))
    assert found is not None
    assert (found.base, found.pages[0].place) == (f"{BASE:x}", 5)


def test_text_that_is_not_mapped_is_in_no_page() -> None:
    found = text_pages(
        made([program(1, "p", (BASE, BASE + 64))], pages(BASE + (1 << 21), 1, "pte"))
    )
    assert found is not None
    assert found.pages == ()


def test_nothing_is_known_without_programs_or_page_tables() -> None:
    assert (
        text_pages(Layout(None, None, None, pages(BASE, 1, "pte"), ("no bpf_progs.json",))) is None
    )
    assert text_pages(Layout(None, (), None, None, ("no page tables",))) is None


def program(number: int, name: str, *spans: tuple[int, int]) -> Program:
    return Program(
        id=number,
        name=name,
        tag="",
        type=2,
        jited_len=sum(end - start for start, end in spans),
        xlated_len=0,
        ksyms=[hex(start) for start, _ in spans],
        func_lens=[end - start for start, end in spans],
    )


def pages(start: int, count: int, level: str) -> PageTables:
    end = start + count * LEVEL_BYTES[level]
    one = Range(start, end, level, False, True, False, "Modules")
    return PageTables([one], [start])


def made(programs: list[Program], tables: PageTables) -> Layout:
    return Layout(None, tuple(programs), None, tables, ())
