# SPDX-License-Identifier: GPL-2.0-only
"""What the guest writes is read back whole, or refused by the name of the frame."""

import contextlib
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest.agent import frames
from harness.guest.agent.wire import Done, WireError
from harness.guest.decoded import Decoded
from harness.guest.decoded import decode as parse
from harness.guest.protocol import Stream
from harness.tests.golden import DATA

NAME = st.lists(st.text("abcdefgh_0123456789", min_size=1, max_size=6), min_size=1, max_size=3).map(
    "/".join
)
MESSAGE = st.tuples(st.sampled_from(["file", "absent", "progress"]), NAME, st.binary(max_size=9000))
WINDOW = ("record", "windows", b'{"1": {"label": "measured", "ns": 5}}')


def messages(least: int, most: int) -> st.SearchStrategy[list[tuple[str, str, bytes]]]:
    """Messages of which no two have one name."""
    return st.lists(MESSAGE, min_size=least, max_size=most, unique_by=lambda one: one[1])


OK = Done(status="ok")


def written(messages: list[tuple[str, str, bytes]], done: bool = True) -> bytes:
    """What the agent would write for ``messages``."""
    lines: list[str] = []
    for kind, name, payload in messages:
        lines += frames.encode(len(lines), kind, name, payload)
    if done:
        lines += frames.encode(len(lines), *WINDOW)
        lines += frames.encode(len(lines), "done", "done", b'{"status": "ok", "reason": ""}')
    return "".join(f"{line}\n" for line in lines).encode()


@given(messages(0, 6))
def test_round_trip(messages: list[tuple[str, str, bytes]]) -> None:
    output = parse(written(messages))
    assert output.done == OK
    assert dict(output.files) == {name: data for kind, name, data in messages if kind == "file"}
    assert len(output.progress) == sum(kind == "progress" for kind, _, _ in messages)


@given(messages(1, 4), st.data())
def test_damage_is_refused_or_changes_nothing(
    messages: list[tuple[str, str, bytes]], data: st.DataObject
) -> None:
    whole = written(messages)
    at = data.draw(st.integers(0, len(whole) - 1))
    bit = data.draw(st.integers(0, 7))
    damaged = bytearray(whole)
    damaged[at] ^= 1 << bit
    try:
        output = parse(bytes(damaged))
    except WireError:
        return
    # Only kinds and names are outside the checksum: every payload is one that was sent.
    sent = [payload for _, _, payload in messages]
    assert all(payload in sent for payload in output.files.values())
    assert output.done in (None, OK)


@given(messages(1, 3), st.data())
def test_cut_short_is_refused_or_not_done(
    messages: list[tuple[str, str, bytes]], data: st.DataObject
) -> None:
    whole = written(messages)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with contextlib.suppress(WireError):
        assert parse(cut).done is None


def test_wrong_checksum_names_the_frame() -> None:
    lines = written([("file", "open/proc/vmstat", b"x" * 100)]).decode().split("\n")
    fields = lines[0].split(" ")
    fields[5] = "00000000"
    with pytest.raises(WireError, match=r"file open/proc/vmstat.*wrong checksum"):
        parse("\n".join([" ".join(fields), *lines[1:]]).encode())


def test_gap_names_the_missing_frames() -> None:
    lines = written([("file", "a", b"1"), ("file", "b", b"2")]).split(b"\n")
    with pytest.raises(WireError, match="frames 0 to 0 are missing"):
        parse(b"\n".join(lines[1:]))


def test_foreign_text_is_refused() -> None:
    with pytest.raises(WireError, match="line 1 is not a frame"):
        parse(b"hello\n")


@pytest.mark.parametrize("payload", [b"[]", b"1", b'"ok"', b"{", b"\xff"])
def test_done_is_an_object(payload: bytes) -> None:
    line = frames.encode(0, "done", "done", payload)[0]
    with pytest.raises(WireError, match="done done: "):
        parse(f"{line}\n".encode())


def test_nothing_comes_after_done() -> None:
    data = written([]) + frames.encode(2, "file", "late", b"x")[0].encode() + b"\n"
    with pytest.raises(WireError, match="file late after the guest said it was done"):
        parse(data)


def test_silence_is_not_done() -> None:
    assert parse(b"") == Decoded()


@given(st.lists(st.text("abc ", min_size=1, max_size=9), max_size=5), st.integers(1, 50))
def test_progress_arrives_in_any_pieces(texts: list[str], piece: int) -> None:
    data = written([("progress", "progress", text.encode()) for text in texts])
    stream = Stream()
    found: list[str] = []
    for at in range(0, len(data), piece):
        found += stream.feed(data[at : at + piece])
    assert found == texts


def test_lines_are_short_enough_for_any_terminal_driver() -> None:
    lines = frames.encode(0, "file", "x" * 60, json.dumps(list(range(9000))).encode())
    assert all(len(line) < 4096 for line in lines)


def test_a_captured_trial() -> None:
    output = parse(gzip.decompress((DATA / "trial" / "channel.out.gz").read_bytes()))
    assert output.done is not None
    assert output.done.status == "ok"
    assert {f"{edge}/proc/vmstat" for edge in ("baseline", "open", "close", "end")} <= set(
        output.files
    )
    assert "open/execmem/stats" in output.absent
    assert output.hello is not None
    assert output.hello.release == "6.1.192"
    assert output.watch is not None
    assert [(one.number, one.label, one.ns) for one in output.windows] == [
        (1, "measured", 500245720)
    ]
    assert [one.name for one in output.readings] == ["bench.hits"] * 8
    assert len(frames.Kind) == 5
