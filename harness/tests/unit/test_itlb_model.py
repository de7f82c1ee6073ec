# SPDX-License-Identifier: GPL-2.0-only
"""The C model against the slow reference model, on random traces of every kind."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import proc
from harness.itlb import plugin
from harness.tests.unit.itlb_driver import (
    PROFILES,
    SANITIZE,
    compile_driver,
    has_data,
    random_trace,
    run_driver,
    run_reference,
)

# Lookups compared for each profile: in CI two million for all of them together.
LOOKUPS = 200_000 if os.environ.get("CI") else 10_000
TRACE = 5_000

SKYLAKE = plugin.profile_path("skylake-sp")


@pytest.fixture(scope="module")
def driver(shared_folder: Path) -> Path:
    """Built with ASan and UBSan: whatever is asked of it, it may not step out of line."""
    return compile_driver(shared_folder, *SANITIZE)


def same(driver: Path, profile: Path, trace: str) -> str:
    """The answers, once both models gave the same ones and the counts are those answers."""
    letters, code, data = run_driver(driver, profile, trace)
    expected = run_reference(profile, trace)
    assert letters == expected, f"access {first_difference(letters, expected)}"
    for outcome, names in {
        "l": ("l1_hits",),
        "s": ("stlb_hits",),
        "w": ("walks_4k", "walks_16k", "walks_2m", "walks_1g"),
        "x": ("not_mapped",),
    }.items():
        assert sum(c[name] for c in (code, data) for name in names) == letters.count(outcome)
    assert code["lookups"] + data["lookups"] == len(letters)
    return letters


def first_difference(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), -1)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.stem)
def test_equals_the_reference(driver: Path, profile: Path) -> None:
    seen = ""
    for seed in range(max(2, LOOKUPS // TRACE)):
        data = has_data(profile) and seed % 4 >= 2
        seen += same(driver, profile, random_trace(seed, TRACE, data=data))
    assert all(seen.count(outcome) > len(seen) // 50 for outcome in "lswx")


@pytest.mark.parametrize("profile", [p for p in PROFILES if has_data(p)], ids=lambda p: p.stem)
def test_equals_the_reference_with_loads_and_stores(driver: Path, profile: Path) -> None:
    same(driver, profile, random_trace(10, TRACE, data=True))


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.stem)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(20, 1 << 32), accesses=st.integers(1, 600), data=st.booleans())
def test_equals_the_reference_on_any_short_trace(
    driver: Path, profile: Path, seed: int, accesses: int, data: bool
) -> None:
    same(driver, profile, random_trace(seed, accesses, data=data and has_data(profile)))


SMALL = """\
name = small
second_level = shared
l1.entries = 8
l1.ways = 4
l1.index = linear
l1.replacement = {first}
l1.4k = all
l1.16k = all
l1.2m = all
l1.1g = all
stlb.entries = {entries}
stlb.ways = {ways}
stlb.index = {index}
stlb.replacement = {second}
stlb.4k = all{by}
stlb.16k = {part}
stlb.2m = {part}
stlb.1g = {part}
data.entries = 4
data.ways = 4
data.index = linear
data.replacement = lru
data.4k = all
data.2m = all
data.1g = all
"""


@pytest.mark.parametrize("first", ["lru", "tree-plru"])
@pytest.mark.parametrize(
    ("second", "index", "ways", "part", "by"),
    [
        ("lru", "xor", 12, "all", ""),
        ("lru", "xor", 12, "4-9 by 3", " by 6"),
        ("lru", "skewed", 8, "all by 2", " by 4"),
        ("lru", "skewed", 12, "4-9", ""),
        ("mru3-plru4", "xor", 12, "all", ""),
        ("tree-plru", "xor", 16, "all", ""),
        ("tree-plru", "xor", 16, "8-15", ""),
        ("tree-plru", "xor", 16, "4-7 by 2", " by 4"),
    ],
)
def test_every_policy_equals_the_reference(
    driver: Path,
    tmp_path: Path,
    first: str,
    second: str,
    index: str,
    ways: int,
    part: str,
    by: str,
) -> None:
    """A CPU too small to be one, so that everything overflows; all policies in all places."""
    profile = tmp_path / "small.profile"
    profile.write_text(
        SMALL.format(
            first=first,
            second=second,
            index=index,
            entries=4 * ways,
            ways=ways,
            part=part,
            by=by,
        )
    )
    same(driver, profile, random_trace(100, 900, data=True))
    same(driver, profile, random_trace(101, 300, data=True))


def test_skylake_answers_as_it_always_did(driver: Path) -> None:
    """Goldens, taken before buffers could hold several page sizes."""
    letters, counts, _ = run_driver(driver, SKYLAKE, random_trace(7, 40_000, selects=False))
    assert hashlib.sha256(letters.encode()).hexdigest()[:16] == "650ac01eecaf3889"
    assert counts == {
        "lookups": 40000,
        "l1_hits": 17893,
        "stlb_hits": 5789,
        "walks_4k": 9306,
        "walks_16k": 2790,  # held as 4 kB, like the 9306
        "walks_2m": 923,
        "walks_1g": 215,
        "not_mapped": 3084,
    }


def test_one_page_too_many_misses_in_its_set_only(driver: Path) -> None:
    trace = "".join(f"f {n << 12:x} 0 4k 0\n" for n in range(129)) * 10
    letters, counts, _ = run_driver(driver, SKYLAKE, trace)
    assert counts["walks_4k"] == 129
    # 129 pages: the set of page 0 and 128 has nine for eight ways, the others fit.
    missing = {i % 129 for i, c in enumerate(letters[129:]) if c == "s"}
    assert missing
    assert all(page % 16 == 0 for page in missing)


@pytest.mark.parametrize(
    ("profile", "trace", "expected"),
    [
        # What is global outlives a flush of what is not, and serves any tag.
        ("skylake-sp", "f 1000 0 4k 1;f 2000 0 4k 0;n;f 1000 5 4k 1;f 2000 0 4k 0", "wwlw"),
        # Tags keep address spaces apart; flushing one leaves the other.
        (
            "skylake-sp",
            "f 1000 0 4k 0;f 1000 1 4k 0;f 1000 0 4k 0;t 1;f 1000 0 4k 0;f 1000 1 4k 0",
            "wwllw",
        ),
        # The same page number as a 4 kB and as a 2 MB page are different translations.
        ("skylake-sp", "f 3000 0 4k 0;f 600000 0 2m 0;f 3000 0 4k 0", "wwl"),
        # 1 GB of code: pieces of 2 MB on Skylake; kept whole behind Ice Lake's first level,
        # and in front of Zen's second.
        ("skylake-sp", "f 40000000 0 1g 0;f 40200000 0 1g 0;f 40200000 0 1g 0", "wwl"),
        ("icelake-sp", "f 40000000 0 1g 0;f 40200000 0 1g 0;f 40200000 0 1g 0", "wsl"),
        ("zen3", "f 40000000 0 1g 0;f 40200000 0 1g 0", "wl"),
        # A page that a load brought into the shared second level is found there by a fetch.
        ("skylake-sp", "d 1000 0 4k 0;f 1000 0 4k 0;s 1000 0 4k 0", "wsl"),
        ("icelake-sp", "d 1000 0 4k 0;s 1000 0 4k 0;d 1000 0 4k 0", "wsl"),
    ],
)
def test_small_traces(driver: Path, profile: str, trace: str, expected: str) -> None:
    lines = trace.replace(";", "\n") + "\n"
    assert same(driver, plugin.profile_path(profile), lines) == expected


def test_data_displaces_code_from_a_shared_level(driver: Path) -> None:
    """Loads of 1536 other pages push 200 pages of code out."""
    code = "".join(f"f {n << 12:x} 0 4k 0\n" for n in range(200))
    loads = "".join(f"d {(n << 12) + (1 << 30):x} 0 4k 0\n" for n in range(3072))
    alone = run_driver(driver, SKYLAKE, code * 2)[1]
    beside = run_driver(driver, SKYLAKE, code + loads + code)[1]
    assert (alone["walks_4k"], beside["walks_4k"]) == (200, 400 - beside["l1_hits"])


def test_truncated_trace_is_refused(driver: Path) -> None:
    done = proc.run([str(driver), str(SKYLAKE)], input="f 1000 0 4k 0\nf 10", check=False)
    assert done.returncode == 2
    assert "trace line 2" in done.stderr
