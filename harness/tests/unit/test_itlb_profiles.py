# SPDX-License-Identifier: GPL-2.0-only
"""Profile files: what a bad one is told, and that nothing in one, or in a trace, breaks out."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness import proc
from harness.itlb import plugin
from harness.itlb.reference import CODE, LOADS, Model, load_profile
from harness.itlb.reference_buffers import SIZES
from harness.tests.unit.itlb_driver import PROFILES, SANITIZE, compile_driver, random_trace

SKYLAKE = plugin.profile_path("skylake-sp")


@pytest.fixture(scope="module")
def driver(shared_folder: Path) -> Path:
    return compile_driver(shared_folder, *SANITIZE)


def test_the_cpus_are_there() -> None:
    assert plugin.profiles() == [
        *("broadwell", "granite-rapids", "haswell", "icelake-sp", "sapphire-rapids"),
        *("skylake-sp", "zen3", "zen4", "zen4-linear", "zen5"),
    ]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.stem)
def test_profile_is_named_after_its_file_and_says_where_it_is_from(profile: Path) -> None:
    assert load_profile(profile)["name"] == profile.stem
    for paragraph in profile.read_text().split("\n\n"):
        assert paragraph.lstrip().startswith("#"), f"numbers without a source: {paragraph}"
    assert "nverified" in profile.read_text()


@pytest.mark.parametrize(
    ("profile", "first", "second"),
    [
        ("haswell", {"4k": 128, "2m": 8}, {"4k": 1024, "2m": 1024}),
        ("broadwell", {"4k": 128, "2m": 8}, {"4k": 1536, "2m": 1536}),
        ("skylake-sp", {"4k": 128, "2m": 8}, {"4k": 1536, "2m": 1536}),
        ("icelake-sp", {"4k": 128, "2m": 8}, {"4k": 2048, "2m": 1024, "1g": 1024}),
        ("sapphire-rapids", {"4k": 256, "2m": 32}, {"4k": 2048, "2m": 1024, "1g": 1024}),
        ("granite-rapids", {"4k": 256, "2m": 32}, {"4k": 2048, "2m": 1024, "1g": 1024}),
        ("zen3", {"4k": 64, "16k": 64, "2m": 64, "1g": 64}, {"4k": 512, "16k": 512, "2m": 512}),
        ("zen4", {"4k": 64, "16k": 64, "2m": 64, "1g": 64}, {"4k": 512, "16k": 512, "2m": 512}),
        (
            "zen4-linear",
            {"4k": 64, "16k": 64, "2m": 64, "1g": 64},
            {"4k": 512, "16k": 512, "2m": 512},
        ),
        ("zen5", {"4k": 64, "16k": 64, "2m": 64, "1g": 64}, {"4k": 2048, "16k": 2048, "2m": 2048}),
    ],
)
def test_capacity_by_page_size(profile: str, first: dict[str, int], second: dict[str, int]) -> None:
    model = Model(load_profile(plugin.profile_path(profile)))

    def capacity(names: tuple[str, ...]) -> dict[str, int]:
        return {
            size: buffer.count * sum(len(group) for group in placed.groups)
            for name in names
            if (buffer := model.buffers.get(name))
            for size, placed in buffer.placement.items()
        }

    assert capacity(CODE) == first
    assert capacity(("stlb",)) == second
    assert bool(capacity(LOADS)) == (not profile.startswith("zen"))


def cells(model: Model, names: tuple[str, ...]) -> list[str]:
    """Entries by ways for each page size, over the buffers of one level."""
    held = {}
    for name in names:
        if buffer := model.buffers.get(name):
            for size, placed in buffer.placement.items():
                entries = buffer.count * sum(len(group) for group in placed.groups)
                held[size] = f"{entries} by {len(placed.groups[0])}"
    return [held.get(size, "none" if size == "16k" else "in 2 MB pieces") for size in SIZES]


def test_table_in_the_readme_is_the_profiles() -> None:
    text = (plugin.PROFILES.parent / "README.md").read_text()
    rows = [
        line
        for line in text.partition("<!-- geometry")[2].partition("\n\n")[0].splitlines()
        if "| `" in line[:3]
    ]
    assert rows == [
        f"| `{profile.stem}` | {' | '.join(cells(model, CODE) + cells(model, ('stlb',)))} |"
        for profile in PROFILES
        for model in [Model(load_profile(profile))]
    ]


def refusal(driver: Path, profile: Path) -> str:
    done = proc.run([str(driver), str(profile)], input="", check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"driver: {profile}:")
    return done.stderr


@pytest.mark.parametrize(
    ("was", "becomes", "message"),
    [
        ("l1_4k.ways = 8", "l1_4k.ways = 7", "l1_4k: entries is not a multiple of ways (entries"),
        ("l1_4k.ways = 8", "l1_4k.ways = 0", "l1_4k: entries is not a multiple of ways"),
        ("l1_4k.ways = 8", "l1_4k.ways = x", "l1_4k.ways = 'x' is not a value it takes: a number"),
        ("l1_4k.ways = 8", "l1_4k.ways = 8 8", "l1_4k.ways = '8 8' is not a value"),
        ("l1_4k.entries = 128", "l1_4k.entries = 384", "number of sets (entries / ways)"),
        ("l1_4k.entries = 128", "l1_4k.entries = -1", "l1_4k.entries = '-1' is not a value"),
        ("l1_4k.entries = 128", "l1_4k.entries = 99999999999", "is not a value"),
        ("l1_4k.entries = 128", "l1_4k.entries 128", "expected key = value"),
        ("l1_4k.ways = 8\n", "", "key 'l1_4k.ways' is missing: add it"),
        ("l1_4k.ways = 8", "l1_4k.ways = 8\nl1_4k.ways = 8", "is given twice, first in line"),
        ("l1_4k.4k = all\n", "", "l1_4k: it holds no page size"),
        ("l1_4k.4k = all", "l1_4k.4k = 4-9", "l1_4k: a page size is given ways that there are not"),
        ("l1_4k.4k = all", "l1_4k.4k = 5-4", "l1_4k.4k = '5-4' is not a value it takes: all, or"),
        ("l1_4k.4k = all", "l1_4k.4k = 2-5", "tree-plru needs the ways of a page size"),
        ("l1_4k.4k = all", "l1_4k.4k = all by 3", "do not split into a power of two"),
        ("l1_4k.4k = all", "l1_4k.2m = all", "no first level holds 4 kB pages of code: give"),
        ("stlb.4k = all\n", "", "the stlb does not hold 4 kB pages: give"),
        ("data_4k.4k = all", "data_4k.2m = all", "no first level holds 4 kB pages of data"),
        ("stlb.index = xor", "stlb.index = md5", "stlb.index = 'md5' is not a value it takes: lin"),
        ("stlb.index", "stlb.color", "unknown key 'stlb.color': name, second_level"),
        ("stlb.replacement = mru3-plru4", "stlb.replacement = tree-plru", "a power of two of ways"),
        ("l1_4k.index = linear", "l1_4k.index = skewed", "l1_4k: a skewed index needs lru"),
        ("stlb.2m = all", "stlb.2m = 0-3", "mru3-plru4 needs every page size in all ways"),
        ("name = skylake-sp", "name = a\nname = b", "name 'b': one plain name, once"),
        ("name = skylake-sp", 'name = a"b', "one plain name"),
        ("name = skylake-sp", "name = a\x01b", "one plain name"),
        ("name = skylake-sp", "name = \xe4", "one plain name"),
        ("name = skylake-sp\n", "", "key 'name' is missing"),
        ("second_level = shared", "second_level = both", "second_level = 'both': shared or code"),
        ("second_level = shared\n", "", "key 'second_level' is missing"),
    ],
)
def test_bad_profile_is_one_clear_line(
    driver: Path, tmp_path: Path, was: str, becomes: str, message: str
) -> None:
    text = SKYLAKE.read_text()
    assert was in text
    bad = tmp_path / "bad.profile"
    bad.write_text(text.replace(was, becomes, 1))
    said = refusal(driver, bad)
    assert message in said
    if "missing" not in message and "hold" not in message:
        line = int(re.match(r"driver: [^:]*:(\d+): ", said)[1])  # type: ignore[index]
        assert (
            becomes.split("\n")[-1].split(" ")[0].split(".")[0]
            in bad.read_text().split("\n")[line - 1]
        )


def test_what_is_not_a_file_or_not_text(driver: Path, tmp_path: Path) -> None:
    assert "No such file" in refusal(driver, tmp_path / "none.profile")
    (tmp_path / "binary").write_bytes(b"name = a\0b\n")
    assert "not text" in refusal(driver, tmp_path / "binary")
    (tmp_path / "long").write_bytes(b"# \n" * 30_000)
    assert "too long" in refusal(driver, tmp_path / "long")


LINES = [
    line
    for path in PROFILES
    for line in path.read_text().splitlines()
    if line and not line.startswith("#")
]
NUMBERS = st.sampled_from(["0", "1", "2", "3", "7", "8", "16", "64", "65536", "65537", "4096"])


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    """A profile with some lines lost, doubled, swapped, or with another value."""
    profile = draw(st.sampled_from(PROFILES)).read_text().splitlines()
    lines = [line for line in profile if line and not line.startswith("#")]
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        key = lines[at].split(" = ")[0]
        lines[at : at + 1] = draw(
            st.sampled_from(
                [
                    [],
                    [lines[at]] * 2,
                    [draw(st.sampled_from(LINES))],
                    [f"{key} = {draw(NUMBERS)}"],
                    [f"{key} = {draw(NUMBERS)}-{draw(NUMBERS)}"],
                    [f"{key} = all by {draw(NUMBERS)}"],
                    [f"{key} = {draw(st.sampled_from(['lru', 'xor', 'skewed', 'code']))}"],
                    [draw(st.text(max_size=30))],
                ]
            )
        )
        if not lines:
            break
    return "\n".join(lines).encode(errors="replace")


@settings(max_examples=60, deadline=None)
@given(content=st.one_of(st.binary(max_size=300), mangled()), seed=st.integers(0, 999))
@example(content=b"=\n", seed=0)
@example(content=b"name==\n.=\nstlb.=1\n.entries=1", seed=0)
def test_no_profile_breaks_the_model(
    driver: Path, tmp_path_factory: pytest.TempPathFactory, content: bytes, seed: int
) -> None:
    """Under ASan and UBSan: refused in one line, or it runs a trace to its end."""
    path = tmp_path_factory.mktemp("fuzz") / "p.profile"
    path.write_bytes(content)
    trace = random_trace(seed, 300)
    done = proc.run([str(driver), str(path)], input=trace, check=False)
    if done.returncode == 2:
        assert done.stderr.startswith(f"driver: {path}:")
        assert done.stderr.count("\n") == 1
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.split("\n")[0]) == sum(x.startswith("f") for x in trace.split("\n"))


@settings(max_examples=40, deadline=None)
@given(
    junk=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)),
    seed=st.integers(0, 999),
    cut=st.integers(0, 4000),
)
def test_no_trace_breaks_the_model(driver: Path, junk: bytes, seed: int, cut: int) -> None:
    """Under ASan and UBSan: a good beginning, then anything."""
    trace = random_trace(seed, 200, data=True)[:cut] + junk.decode("latin-1")
    done = proc.run([str(driver), str(SKYLAKE)], input=trace, check=False)
    assert done.returncode in (0, 2), done.stderr
    assert done.returncode == 0 or re.match(r"driver: trace line \d+ is not under", done.stderr)
    assert "Sanitizer" not in done.stderr
    assert "runtime error" not in done.stderr
