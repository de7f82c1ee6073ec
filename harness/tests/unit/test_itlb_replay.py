# SPDX-License-Identifier: GPL-2.0-only
"""A recorded trace replays to the report of what was recorded, or to one clear error."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import proc
from harness.errors import DataError
from harness.itlb import plugin
from harness.itlb.replay import replay
from harness.tests.unit import synthetic_runs as made
from harness.tests.unit.compiled_once import compiled

SANITIZE = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PROFILES = [plugin.profile_path(name) for name in plugin.profiles()]
SKYLAKE = plugin.profile_path("skylake-sp")
TRACES = Path(__file__).parent.parent / "data/traces"


@pytest.fixture(scope="session")
def programs(shared_folder: Path) -> dict[str, Path]:
    """The recorder of the tests and the replay driver, both with ASan and UBSan."""
    names = {"trace_write.c", *plugin.REPLAY, *plugin.LIBRARY} - {"trace_read.c", plugin.DRIVER}
    files = [str(plugin.HERE / "recorder.c"), *(str(plugin.SOURCES / name) for name in names)]
    words = ["gcc", *plugin.CFLAGS, *SANITIZE, f"-I{plugin.SOURCES}", *sorted(files), "-lz"]
    return {
        "replay": compiled(shared_folder, lambda out: plugin.replay_argv(out, SANITIZE)),
        "record": compiled(shared_folder, lambda out: [*words, "-o", str(out)]),
    }


def record(programs: dict[str, Path], folder: Path, text: str, *options: str) -> tuple[Path, Path]:
    """The trace of ``text`` and the report that was made beside it."""
    trace, out = folder / "trace", folder / "live.json"
    argv = [str(programs["record"]), f"trace={trace}", f"out={out}", *options]
    if not any(option.startswith("profile=") for option in options):
        argv.append(f"profile={SKYLAKE}")
    proc.run(argv, input=text)
    return trace, out


def again(
    programs: dict[str, Path], trace: Path, *options: str, profile: Path = SKYLAKE
) -> tuple[int, str, Path]:
    """Exit status, standard error, and where the report would be."""
    out = trace.with_name("again.json")
    out.unlink(missing_ok=True)
    argv = [str(programs["replay"]), f"trace={trace}", f"out={out}", f"profile={profile}"]
    done = proc.run([*argv, *options], check=False)
    return done.returncode, done.stderr, out


def operations(seed: int, count: int, vcpus: int = 2, *, contexts: bool = True) -> str:
    """Fetches, loads and stores of loops that repeat with changes, flushes, two windows.

    Two addresses are watched, one from the start and armed; a snapshot comes now and then.
    """
    draw = random.Random(seed)
    out = [f"v {vcpu:x}" for vcpu in range(vcpus)]
    out += ["w ffffffff81000000", "a"]
    snapshots = iter(range(1, 256))
    windows = iter([f"o 1 {count:x}", f"k 1 {2 * count:x}", f"o 2 {3 * count:x}", "k 2 ffffff"])
    edges = [count * n // 5 for n in range(1, 5)]
    loop: list[str] = []
    while len(out) < count:
        if not loop or draw.random() < 0.1:
            loop = [_access(draw, draw.randrange(vcpus)) for _ in range(draw.randrange(1, 60))]
        out += loop
        choice, vcpu = draw.random(), draw.randrange(vcpus)
        if choice < 0.3:
            out.append(f"c {vcpu:x} {draw.randrange(1, 9) << 12:x}")
        elif choice < 0.35:
            out.append(f"x {vcpu:x} {draw.randrange(4, 8):x}")
        elif choice < 0.5:
            out.append(f"i {vcpu:x} {draw.randrange(1, 80) << 12:x}")
        elif choice < 0.55:
            number = next(snapshots, 1)  # one too many is a marker error
            out.append(f"t {number:x} {draw.randrange(1 << 40):x} {draw.randrange(12):x}")
        elif choice < 0.57:
            out.append("w ffffffff82000000")
        elif choice < 0.65 and contexts:
            out.append(f"g {vcpu:x} {draw.randrange(1, 9):x} {draw.randrange(1, 9):x}")
    for edge, window in zip(reversed(edges), reversed(list(windows)), strict=True):
        out.insert(vcpus + edge, window)
    return "\n".join(out) + "\n"


def _access(draw: random.Random, vcpu: int) -> str:
    page = draw.randrange(1, 400)
    address = page << 12 if draw.random() < 0.5 else 0xFFFFFFFF81000000 + (page << 12) + page
    size = (page // 3) % 5 if draw.random() < 0.9 else 4
    return f"{draw.choice('ffffls')} {vcpu:x} {address:x} {size:x} {page % 2:x}"


POLICIES = [
    [],
    ["pcid=flush"],
    ["pti=on"],
    ["pti=on", "host_page=4k", "hits=on"],
    ["data=on"],
    ["data=on", "pcid=flush", "pti=on"],
]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.stem)
@pytest.mark.parametrize("options", POLICIES, ids=" ".join)
def test_replay_equals_live(
    programs: dict[str, Path], tmp_path: Path, profile: Path, options: list[str]
) -> None:
    text = operations(len(options), 4000, contexts=False)  # that make no sense fail a check
    trace, live = record(programs, tmp_path, text, f"profile={profile}", *options)
    own = [option for option in options if not option.startswith("pti=")]
    status, errors, out = again(programs, trace, *own, profile=profile)
    assert (status, errors) == (0, "")
    assert out.read_bytes() == live.read_bytes()
    report = json.loads(live.read_bytes())
    assert all(check["ok"] for check in report["self_checks"])
    assert sum(vcpu["lookups"] for vcpu in report["windows"][1]["vcpus"]) > 100


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(10, 3000), vcpus=st.integers(1, 4))
def test_replay_equals_live_for_any_run(
    programs: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    count: int,
    vcpus: int,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    trace, live = record(programs, folder, operations(seed, count, vcpus), "data=on")
    status, errors, out = again(programs, trace, "data=on")
    assert (status, errors) == (0, "")
    assert out.read_bytes() == live.read_bytes()


def replayed(programs: dict[str, Path], folder: Path, text: str) -> Any:
    """The report of what was fed, which the trace has to give too."""
    trace, live = record(programs, folder, text)
    status, errors, out = again(programs, trace)
    assert (status, errors) == (0, "")
    assert out.read_bytes() == live.read_bytes()
    return json.loads(live.read_bytes())


def marker_errors(report: Any) -> int:
    (check,) = (c for c in report["self_checks"] if c["name"] == "markers make sense")
    assert check["ok"] == (check["detail"] == "0 do not")
    return int(check["detail"].split()[0])


def test_a_watch_is_exact_once_it_is_armed(programs: dict[str, Path], tmp_path: Path) -> None:
    """In the windows and snapshots that begin after that."""
    text = "v 0\nv 1\nw 10\no 1 64\na\nt 1 64 0\nk 1 c8\no 2 c8\nw 20\nw 10\nt 2 c8 0\nk 2 12c\n"
    report = replayed(programs, tmp_path, text)
    assert report["schema"] == 2
    assert report["watched"] == ["0x10", "0x20"]
    assert report["armed"] is False
    assert marker_errors(report) == 0
    windows = {w["id"]: [(x["count"], x["exact"]) for x in w["watch"]] for w in report["windows"]}
    # Each of the two CPUs has executed 100, 200, 300; the second watch's counter is one ahead.
    assert windows == {
        0: [(603, False), (605, False)],
        1: [(200, False), (0, False)],
        2: [(200, True), (605, False)],
    }
    assert [(s["id"], s["watch"], s["exact"]) for s in report["snapshots"]] == [
        (1, [203], True),
        (2, [403, 405], False),
    ]
    report = replayed(programs, tmp_path, text + "a\n")
    assert report["armed"] is True
    assert [x["exact"] for x in report["windows"][2]["watch"]] == [True, False]


def test_snapshots_are_kept_as_they_were_taken(programs: dict[str, Path], tmp_path: Path) -> None:
    report = replayed(programs, tmp_path, "v 0\nt 7 5 40\nt 3 6 0\nt ff 1 1\n")
    assert marker_errors(report) == 0
    assert [s["id"] for s in report["snapshots"]] == [7, 3, 255]
    first, second, _ = report["snapshots"]
    assert 1 < len(first["runs"]) <= 64
    assert second["runs"] == []
    for start, pages, size, flags in first["runs"]:
        assert int(start, 16) >= 0xFFFF888000000000
        assert pages > 0
        assert size in ("4k", "2m", "1g")  # of page tables
        assert all(c in ("-", letter) for c, letter in zip(flags, "wxgd", strict=True))
    for snapshot in report["snapshots"]:
        assert snapshot["complete"] == (snapshot["reason"] == "")
        assert snapshot["direct_map"] in (None, "0xffff888000000000")


@pytest.mark.parametrize("number", ["0", "100", "ffffffffffffffff", "9"])
def test_a_snapshot_has_a_number_of_its_own(
    programs: dict[str, Path], tmp_path: Path, number: str
) -> None:
    report = replayed(programs, tmp_path, f"v 0\nt 9 5 3\nt {number} 6 3\n")
    assert [s["id"] for s in report["snapshots"]] == [9]
    assert marker_errors(report) == 1


def test_at_most_125_addresses_are_watched(programs: dict[str, Path], tmp_path: Path) -> None:
    lines = [f"w {0xFFFFFFFF81000000 + 0x1000 * n:x}" for n in [*range(125), 5, 125, 200]]
    report = replayed(programs, tmp_path, "v 0\n" + "\n".join(lines) + "\no 1 1\nk 1 64\n")
    assert len(report["watched"]) == len(set(report["watched"])) == 125
    assert marker_errors(report) == 2
    assert [x["count"] for x in report["windows"][1]["watch"]] == [99] * 125


def test_only_counters_in_use_are_recorded(programs: dict[str, Path], tmp_path: Path) -> None:
    """A window's edge is a few bytes where little is watched and there is one CPU."""
    windows = "".join(f"o {n:x} {n << 32:x}\nk {n:x} {n << 32:x}\n" for n in range(1, 32))
    trace, _ = record(programs, tmp_path, "v 0\nw 10\n" + windows)
    assert len(gzip.decompress(trace.read_bytes())) < 62 * 20


def test_a_trace_serves_every_profile_and_policy(programs: dict[str, Path], tmp_path: Path) -> None:
    """Recorded under one, replayed under another: as if recorded under that one."""
    text = operations(1, 3000)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for profile in PROFILES:
        trace, _ = record(programs, tmp_path / "a", text, "data=on", "pti=on", "pcid=flush")
        options = ("host_page=4k", "data=on", "hits=on")
        _, live = record(programs, tmp_path / "b", text, f"profile={profile}", "pti=on", *options)
        _, errors, out = again(programs, trace, *options, profile=profile)
        assert out.read_bytes() == live.read_bytes(), errors


def test_guesses_keep_a_loop_small(programs: dict[str, Path], tmp_path: Path) -> None:
    text = "v 0\n" + "".join(f"f 0 {page << 12:x} 0 0\n" for page in range(50)) * 400
    trace, _ = record(programs, tmp_path, text)
    assert len(gzip.decompress(trace.read_bytes())) < 2000  # bytes, for 20,000 fetches


def refused(programs: dict[str, Path], trace: Path, message: str, *options: str) -> None:
    status, errors, out = again(programs, trace, *options)
    assert status == 2
    assert message in errors
    assert errors.count("\n") == 1
    assert not out.exists()
    assert list(trace.parent.glob("*.new")) == []


def test_cut_short_anywhere_is_refused(programs: dict[str, Path], tmp_path: Path) -> None:
    trace, _ = record(programs, tmp_path, operations(3, 2000))
    whole = trace.read_bytes()
    for size in [
        *range(0, 40, 3),
        *range(100, len(whole), 400),
        *range(len(whole) - 9, len(whole)),
    ]:
        trace.write_bytes(whole[:size])
        status, errors, out = again(programs, trace)
        assert status == 2
        assert "cut short" in errors or "not a trace" in errors or "damaged" in errors
        assert not out.exists()


def test_cut_short_inside_a_whole_gzip_stream_is_refused(
    programs: dict[str, Path], tmp_path: Path
) -> None:
    trace, _ = record(programs, tmp_path, operations(3, 500))
    whole = gzip.decompress(trace.read_bytes())
    trace.write_bytes(gzip.compress(whole[:-1]))
    refused(programs, trace, "the trace is cut short")
    trace.write_bytes(gzip.compress(whole + b"x"))
    refused(programs, trace, "the trace goes on after its end")


def test_other_files_and_versions_are_refused(programs: dict[str, Path], tmp_path: Path) -> None:
    trace, _ = record(programs, tmp_path, operations(3, 500))
    whole = gzip.decompress(trace.read_bytes())
    trace.write_bytes(gzip.compress(whole.replace(b"EMBTRACE\x04", b"EMBTRACE\x01", 1)))
    refused(programs, trace, "the trace has version 1; this program reads versions 3 to 4")
    trace.write_bytes(gzip.compress(b"EMBTRICE" + whole[8:]))
    refused(programs, trace, "this is not a trace")
    trace.write_bytes(whole)  # not compressed
    refused(programs, trace, "this is not a trace")
    trace.write_bytes(b"")
    refused(programs, trace, "this is not a trace")
    trace.unlink()
    refused(programs, trace, "it cannot be read")


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A trace of version 3, as the recorder of that version wrote it."""
    trace = tmp_path / "trace"
    trace.write_bytes((TRACES / "version-3.trace").read_bytes())
    return trace


def test_a_trace_of_the_version_before_is_read(programs: dict[str, Path], before: Path) -> None:
    """To the report that was made beside it."""
    status, errors, out = again(programs, before)
    assert (status, errors) == (0, "")
    assert out.read_bytes() == (TRACES / "version-3.json").read_bytes()
    assert json.loads(out.read_bytes())["policy"]["address_spaces"] == "contexts"


def test_the_version_before_does_not_say_which_pages_share_an_entry(
    programs: dict[str, Path], before: Path
) -> None:
    status, errors, out = again(programs, before, profile=plugin.profile_path("zen4"))
    assert status == 2
    assert "version 3, which does not say which pages share an entry on this CPU" in errors
    assert not out.exists()


def test_a_window_that_is_never_closed_is_refused(
    programs: dict[str, Path], tmp_path: Path
) -> None:
    trace, _ = record(programs, tmp_path, "v 0\nf 0 1000 0 0\no 1 5\nf 0 2000 0 0\n")
    refused(programs, trace, "window 1 was never closed")


def test_loads_that_were_not_recorded_are_missed(programs: dict[str, Path], tmp_path: Path) -> None:
    trace, _ = record(programs, tmp_path, operations(3, 100))
    refused(programs, trace, "the trace has no loads and stores", "data=on")


@pytest.mark.parametrize("option", ["pcid=maybe", "pti=on", "colour=red", "pcid", "reserve=4"])
def test_a_bad_option_is_refused(programs: dict[str, Path], tmp_path: Path, option: str) -> None:
    trace, _ = record(programs, tmp_path, operations(3, 100))
    status, errors, out = again(programs, trace, option)
    assert status == 2
    assert option in errors
    assert not out.exists()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_traces_end_cleanly(
    programs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    trace, _ = record(programs, folder, operations(5, 300))
    whole = bytearray(gzip.decompress(trace.read_bytes()))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(whole) - 1))
        if data.draw(st.booleans()):
            whole[at] = data.draw(st.integers(0, 255))
        else:
            whole[at:at] = data.draw(st.binary(max_size=12))
    trace.write_bytes(gzip.compress(bytes(whole)))
    status, errors, out = again(programs, trace)
    assert "Sanitizer" not in errors
    assert "runtime error" not in errors
    assert (status, out.exists()) in ((0, True), (2, False))


@settings(max_examples=30, deadline=None)
@given(body=st.binary(max_size=300), whole=st.booleans())
def test_any_bytes_end_cleanly(
    programs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, body: bytes, whole: bool
) -> None:
    trace = tmp_path_factory.mktemp("bytes") / "trace"
    head = b"EMBTRACE\x04\x00\x04\x01x"
    trace.write_bytes(gzip.compress(head + body) if whole else body)
    status, errors, _ = again(programs, trace)
    assert status == 2
    assert errors.count("\n") == 1


def test_from_python(programs: dict[str, Path], tmp_path: Path) -> None:
    trace, live = record(programs, tmp_path, operations(3, 300))
    for options in ({}, plugin.replay_options(made.spec())):
        out: Any = replay(trace, SKYLAKE, options, tmp_path / "out.json")
        assert out.read_bytes() == live.read_bytes()
    trace.write_bytes(trace.read_bytes()[:-20])
    with pytest.raises(DataError, match="cut short"):
        replay(trace, SKYLAKE, {}, tmp_path / "other.json")
    assert not (tmp_path / "other.json").exists()
