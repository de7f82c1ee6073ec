# SPDX-License-Identifier: GPL-2.0-only
"""Loops with known counts: the C model against them, and the two ways to know them."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from harness.itlb import known_answers
from harness.itlb.known_answers import Expected, Loop
from harness.itlb.reference import load_profile
from harness.tests.unit.itlb_driver import PROFILES, compile_driver, run_driver


@pytest.fixture(scope="module")
def driver(shared_folder: Path) -> Path:
    return compile_driver(shared_folder)


ROUNDS = 5
"""The first, in which every page is walked, and those that tell what was kept."""


@cache
def loops_of(profile: str) -> list[Loop]:
    return known_answers.loops(profile, rounds=ROUNDS)


def measured(driver: Path, profile: Path, loop: Loop) -> tuple[int, ...]:
    once = "".join(f"f {address:x} 0 {loop.page_size} 0\n" for address in loop.addresses())
    _, counts, _ = run_driver(driver, profile, once * loop.rounds)
    assert counts.pop("not_mapped") == 0
    walks = counts.pop(f"walks_{loop.page_size}")
    assert not any(count for name, count in counts.items() if name.startswith("walks_"))
    return counts["lookups"], counts["l1_hits"], counts["stlb_hits"], walks


def counts_of(expected: Expected) -> tuple[int, ...]:
    e = expected
    return (e.lookups, e.l1_hits, e.stlb_hits, e.walks)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.stem)
def test_c_model_counts_what_is_known(driver: Path, profile: Path) -> None:
    loops = loops_of(profile.stem)
    wrong = [
        (loop, found)
        for loop in loops
        if (found := measured(driver, profile, loop)) != counts_of(loop.expected)
    ]
    assert not wrong
    coalesced = {"16k"} if profile.stem.startswith("zen") else set()
    assert {loop.page_size for loop in loops} == {"4k", "2m", "1g"} | coalesced
    # Every buffer's edge is seen from both sides: loops that miss each time, and not at all.
    assert {"geometry"} <= {loop.expected.source for loop in loops}
    # A skewed buffer with too many pages keeps some of them.
    skewed = load_profile(profile)["stlb"]["index"] == "skewed"
    most = max(loop.expected.walks / loop.expected.lookups for loop in loops)
    assert most > 0.7 if skewed else most == 1
    assert any(loop.expected.stlb_hits == 0 for loop in loops)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.stem)
def test_geometry_and_reference_model_agree(profile: Path) -> None:
    geometry = load_profile(profile)
    for loop in loops_of(profile.stem):
        if loop.expected.source == "geometry" and loop.pages <= 300:
            counted = known_answers.from_reference(
                geometry, loop.addresses(), loop.page_size, loop.rounds
            )
            assert counts_of(counted) == counts_of(loop.expected), loop


def test_repeated_state_is_multiplied_exactly(driver: Path) -> None:
    """Many rounds cost what one period costs, and give what every round would have given."""
    profile = PROFILES[0]
    short = [x for x in loops_of(profile.stem) if x.expected.source == "reference"]
    for loop in [replace(x, rounds=1001) for x in short if x.pages < 20]:
        expected = known_answers.from_reference(
            load_profile(profile), loop.addresses(), loop.page_size, loop.rounds
        )
        assert measured(driver, profile, loop) == counts_of(expected)


@pytest.mark.parametrize(
    ("profile", "pages", "stride", "size", "stlb_hits", "walks"),
    [
        ("skylake-sp", 128, 1, "4k", 0, 128),  # fills the first level exactly
        ("skylake-sp", 8, 16, "4k", 0, 8),  # one set of the first level, all its ways
        ("skylake-sp", 8, 1, "2m", 0, 8),  # fills the first level for large pages
        ("skylake-sp", 1536, 1, "4k", 1536 * (ROUNDS - 1), 1536),  # fills the second level exactly
        ("skylake-sp", 3072, 1, "4k", 0, 3072 * ROUNDS),
        ("icelake-sp", 2048, 1, "4k", 2048 * (ROUNDS - 1), 2048),  # both parts of the second level
        ("icelake-sp", 1024, 1, "2m", 1024 * (ROUNDS - 1), 1024),  # one of them
        ("icelake-sp", 2048, 1, "2m", 0, 2048 * ROUNDS),
        ("sapphire-rapids", 256, 1, "4k", 0, 256),
        ("sapphire-rapids", 32, 1, "2m", 0, 32),
        ("zen3", 64, 1, "4k", 0, 64),
        ("zen3", 65, 1, "4k", 65 * (ROUNDS - 1), 65),
        ("zen3", 64, 4, "16k", 0, 64),  # four pages in each of the first level's entries
        ("zen3", 256, 1, "16k", 0, 64),
        ("zen3", 260, 1, "16k", 65 * (ROUNDS - 1), 65),
        ("zen4-linear", 512, 1, "4k", 512 * (ROUNDS - 1), 512),
        ("zen4-linear", 512, 1, "2m", 512 * (ROUNDS - 1), 512),
        ("zen4-linear", 160, 4, "4k", 0, 160 * ROUNDS),  # five pages for four ways, in 32 sets
        ("zen4", 64, 1, "1g", 0, 64),  # 1 GB entries in the first level, none in the second
    ],
)
def test_answers_worked_out_by_hand(
    profile: str, pages: int, stride: int, size: str, stlb_hits: int, walks: int
) -> None:
    loops = loops_of(profile)
    [loop] = [x for x in loops if (x.page_size, x.pages, x.stride) == (size, pages, stride)]
    assert (loop.expected.stlb_hits, loop.expected.walks) == (stlb_hits, walks)
    assert loop.expected.l1_hits == pages * ROUNDS - stlb_hits - walks
