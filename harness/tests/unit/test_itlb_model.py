# SPDX-License-Identifier: GPL-2.0-only
"""The C model against the slow reference model, and against answers known beforehand."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import proc
from harness.itlb import build
from harness.itlb.reference import Entry, Model, load_profile

SANITIZE = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")


@pytest.fixture(scope="session")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The offline driver, built with ASan and UBSan."""
    path = tmp_path_factory.mktemp("replay") / "replay"
    files = [str(build.SOURCES / name) for name in (*build.LIBRARY, "replay.c")]
    proc.run(["gcc", *build.CFLAGS, *SANITIZE, "-o", str(path), *files])
    return path


def answers(replay: Path, profile: Path, trace: str) -> tuple[str, dict[str, int]]:
    """What the C model answers to each fetch, and its counts."""
    done = proc.run([str(replay), str(profile)], input=trace)
    letters, counts, *_ = done.stdout.split("\n")
    words = counts.split()
    return letters, dict(zip(words[::2], map(int, words[1::2]), strict=True))


def reference(profile: Path, trace: str) -> str:
    """What the reference model answers."""
    model = Model(load_profile(profile))
    out = ""
    for line in trace.splitlines():
        op, *fields = line.split()
        if op == "f":
            address, tag = int(fields[0], 16), int(fields[1], 16)
            out += model.fetch(address, tag, fields[2], fields[3] == "1")
        elif op == "a":
            model.drop(lambda _: True)
        elif op == "n":
            model.drop(lambda e: not e.is_global)
        elif op == "t":
            drop_tag(model, int(fields[0], 16))
        else:
            drop_page(model, int(fields[0], 16), int(fields[1], 16))
    return out


def drop_tag(model: Model, tag: int) -> None:
    model.drop(lambda e: not e.is_global and e.tag == tag)


def drop_page(model: Model, address: int, tag: int) -> None:
    def hit(entry: Entry) -> bool:
        page = address >> {"4k": 12, "2m": 21, "1g": 30}[entry.size]
        return entry.page == page and (entry.is_global or entry.tag == tag)

    model.drop(hit)


PROFILES = [build.profile_path(name) for name in build.profiles()]

# Addresses that collide in sets and in both page sizes; the page size of an address is
# fixed, as it is in page tables between flushes.
ADDRESS = st.builds(
    lambda big, small, high: (0xFFFF << 48 if high else 0) | big << 21 | small << 12,
    st.integers(0, 40),
    st.sampled_from([0, 1, 15, 16, 17, 127, 128, 255, 256, 384, 511]),
    st.booleans(),
)


def fetch_line(address: int, tag: int) -> str:
    size = ("4k", "2m", "4k", "1g", "4k", "-")[(address >> 21) % 6]
    is_global = (address >> 48) != 0 and (address >> 22) % 2
    return f"f {address:x} {tag:x} {size} {int(is_global)}\n"


OPERATION = st.one_of(
    *[st.builds(fetch_line, ADDRESS, st.integers(0, 3))] * 12,
    st.just("n\n"),
    st.builds(lambda t: f"t {t:x}\n", st.integers(0, 3)),
    st.builds(lambda a, t: f"p {a:x} {t:x}\n", ADDRESS, st.integers(0, 3)),
)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.stem)
@settings(max_examples=25, deadline=None)
@given(blocks=st.lists(st.tuples(st.lists(OPERATION, max_size=40), st.integers(1, 8)), max_size=6))
def test_equals_the_reference(
    replay: Path, profile: Path, blocks: list[tuple[list[str], int]]
) -> None:
    """Blocks of operations, each repeated some times, so that there are hits to compare."""
    trace = "".join("".join(lines) * times for lines, times in blocks)
    letters, counts = answers(replay, profile, trace)
    assert letters == reference(profile, trace)
    assert counts["lookups"] == len(letters)
    walks = counts["walks_4k"] + counts["walks_2m"] + counts["walks_1g"]
    found = (counts["l1_hits"], counts["stlb_hits"], walks, counts["not_mapped"])
    assert found == tuple(letters.count(c) for c in "lswx")


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.stem)
def test_equals_the_reference_on_a_long_trace(replay: Path, profile: Path) -> None:
    """A walk over more pages than any level holds, forth and with strides, 60,000 fetches."""
    strides = (1, 2, 7, 16, 128, 129)
    pages = [i * s % 4093 for s in strides for i in range(5000)] * 2
    trace = "".join(f"f {page << 12:x} {page % 3:x} 4k 0\n" for page in pages)
    assert answers(replay, profile, trace)[0] == reference(profile, trace)


def loop(pages: int, stride: int, times: int, size: str = "4k") -> str:
    shift = {"4k": 12, "2m": 21}[size]
    once = "".join(f"f {n * stride << shift:x} 0 {size} 0\n" for n in range(pages))
    return once * times


SKYLAKE = build.profile_path("skylake-sp")


@pytest.mark.parametrize(
    ("pages", "stride", "size", "stlb_hits", "walks"),
    [
        (128, 1, "4k", 0, 128),  # fills the first level exactly
        (8, 16, "4k", 0, 8),  # one set of the first level, all its ways
        (8, 1, "2m", 0, 8),  # fills the first level for large pages
    ],
)
def test_known_answers_up_to_capacity(
    replay: Path, pages: int, stride: int, size: str, stlb_hits: int, walks: int
) -> None:
    _, counts = answers(replay, SKYLAKE, loop(pages, stride, 10, size))
    assert (counts["stlb_hits"], counts["walks_4k"] + counts["walks_2m"]) == (stlb_hits, walks)
    assert counts["l1_hits"] == pages * 9


def test_one_page_too_many_misses_in_its_set_only(replay: Path) -> None:
    letters, counts = answers(replay, SKYLAKE, loop(129, 1, 10))
    assert counts["walks_4k"] == 129
    # 129 pages: the set of page 0 and 128 has nine for eight ways, the others fit.
    missing = {i % 129 for i, c in enumerate(letters[129:]) if c == "s"}
    assert missing
    assert all(page % 16 == 0 for page in missing)


def test_stlb_holds_1536_pages(replay: Path) -> None:
    _, counts = answers(replay, SKYLAKE, loop(1536, 1, 5))
    assert counts["walks_4k"] == 1536
    _, counts = answers(replay, SKYLAKE, loop(3072, 1, 5))
    assert counts["walks_4k"] > 3072


def test_nonglobal_flush_keeps_global_entries(replay: Path) -> None:
    trace = "f 1000 0 4k 1\nf 2000 0 4k 0\nn\nf 1000 5 4k 1\nf 2000 0 4k 0\n"
    assert answers(replay, SKYLAKE, trace)[0] == "wwlw"


def test_tags_keep_address_spaces_apart(replay: Path) -> None:
    trace = "f 1000 0 4k 0\nf 1000 1 4k 0\nf 1000 0 4k 0\nt 1\nf 1000 0 4k 0\nf 1000 1 4k 0\n"
    assert answers(replay, SKYLAKE, trace)[0] == "wwllw"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("l1_4k.ways = 8", "l1_4k.ways = 7"), "l1_4k: entries is not a multiple of ways"),
        (("l1_4k.ways = 8", "l1_4k.ways = x"), "l1_4k.ways = 'x' is not a value"),
        (("l1_4k.ways = 8\n", ""), "key 'l1_4k.ways' is missing"),
        (("stlb.index = xor", "stlb.index = md5"), "stlb.index = 'md5'"),
        (("stlb.index", "stlb.color"), "unknown key 'stlb.color'"),
        (("name = skylake-sp", "name = a\nname = b"), "name 'b'"),
        (("l1_4k.ways = 8", "l1_4k.ways = 8\nl1_4k.ways = 8"), "'l1_4k.ways' is given twice"),
        (("l1_4k.entries = 128", "l1_4k.entries = 99999999999"), "is not a value"),
        (("l1_4k.entries = 128", "l1_4k.entries 128"), "expected key = value"),
    ],
)
def test_bad_profile_is_one_clear_line(
    replay: Path, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    bad = tmp_path / "bad.profile"
    bad.write_text(SKYLAKE.read_text().replace(*change, 1))
    done = proc.run([str(replay), str(bad)], input="", check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert str(bad) in done.stderr
    assert done.stderr.count("\n") == 1


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=400))
def test_any_bytes_as_profile_or_trace_end_cleanly(
    replay: Path, tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    text = data.decode("latin-1")
    path = tmp_path_factory.mktemp("fuzz") / "p.profile"
    for content in (data, SKYLAKE.read_bytes() + data):
        path.write_bytes(content)
        done = proc.run([str(replay), str(path)], input="", check=False)
        assert done.returncode in (0, 2), done.stderr
    done = proc.run([str(replay), str(SKYLAKE)], input=text, check=False)
    assert done.returncode in (0, 2), done.stderr
    assert "Sanitizer" not in done.stderr


def test_truncated_trace_is_refused(replay: Path) -> None:
    done = proc.run([str(replay), str(SKYLAKE)], input="f 1000 0 4k 0\nf 10", check=False)
    assert done.returncode == 2
    assert "trace line 2" in done.stderr


def test_page_sizes_do_not_alias(replay: Path) -> None:
    """The same page number as a 4 kB and as a 2 MB page are different translations."""
    letters = answers(replay, SKYLAKE, "f 3000 0 4k 0\nf 600000 0 2m 0\nf 3000 0 4k 0\n")[0]
    assert letters == "wwl"


def test_all_pairs_of_sizes_and_tags_are_distinct(replay: Path) -> None:
    fetches = [
        f"f {4 << 30:x} {tag} {size} 0\n" for tag, size in itertools.product((0, 1), ("2m",))
    ]
    assert answers(replay, SKYLAKE, "".join(fetches * 2))[0] == "wwll"
