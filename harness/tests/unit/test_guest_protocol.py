# SPDX-License-Identifier: GPL-2.0-only
"""What the guest writes is read back whole, or refused by the name of the frame."""

import contextlib
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest.agent import frames
from harness.guest.protocol import KINDS, GuestOutput, ProtocolError, Stream, parse
from harness.tests.golden import DATA

NAME = st.text("abcdefgh/_.0123456789", min_size=1, max_size=12)
MESSAGE = st.tuples(st.sampled_from(["file", "absent", "progress"]), NAME, st.binary(max_size=9000))


def written(messages: list[tuple[str, str, bytes]], done: bool = True) -> bytes:
    """What the agent would write for ``messages``."""
    lines: list[str] = []
    for kind, name, payload in messages:
        lines += frames.encode(len(lines), kind, name, payload)
    if done:
        lines += frames.encode(len(lines), "done", "done", b'{"status": "ok", "reason": ""}')
    return "".join(f"{line}\n" for line in lines).encode()


@given(st.lists(MESSAGE, max_size=6))
def test_round_trip(messages: list[tuple[str, str, bytes]]) -> None:
    output = parse(written(messages))
    assert output.done == {"status": "ok", "reason": ""}
    assert dict(output.files) == {name: data for kind, name, data in messages if kind == "file"}
    assert len(output.progress) == sum(kind == "progress" for kind, _, _ in messages)


@given(st.lists(MESSAGE, min_size=1, max_size=4), st.data())
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
    except ProtocolError:
        return
    # Only kinds and names are outside the checksum: every payload is one that was sent.
    sent = [payload for _, _, payload in messages]
    assert all(payload in sent for payload in output.files.values())
    assert output.done in (None, {"status": "ok", "reason": ""})


@given(st.lists(MESSAGE, min_size=1, max_size=3), st.data())
def test_cut_short_is_refused_or_not_done(
    messages: list[tuple[str, str, bytes]], data: st.DataObject
) -> None:
    whole = written(messages)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with contextlib.suppress(ProtocolError):
        assert parse(cut).done is None


def test_wrong_checksum_names_the_frame() -> None:
    lines = written([("file", "open/proc/vmstat", b"x" * 100)]).decode().split("\n")
    fields = lines[0].split(" ")
    fields[5] = "00000000"
    with pytest.raises(ProtocolError, match=r"file open/proc/vmstat.*wrong checksum"):
        parse("\n".join([" ".join(fields), *lines[1:]]).encode())


def test_gap_names_the_missing_frames() -> None:
    lines = written([("file", "a", b"1"), ("file", "b", b"2")]).split(b"\n")
    with pytest.raises(ProtocolError, match="frames 0 to 0 are missing"):
        parse(b"\n".join(lines[1:]))


def test_foreign_text_is_refused() -> None:
    with pytest.raises(ProtocolError, match="line 1 is no frame"):
        parse(b"hello\n")


@given(st.lists(MESSAGE, min_size=1, max_size=4), st.data())
def test_what_came_before_the_damage_is_kept_for_diagnosis(
    messages: list[tuple[str, str, bytes]], data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, len(messages)))
    whole = written(messages[:kept], done=False)
    with pytest.raises(ProtocolError) as caught:
        parse(whole + b"EMB1 torn")
    assert caught.value.whole == parse(whole)
    assert caught.value.whole.done is None


@pytest.mark.parametrize("payload", [b"[]", b"1", b'"ok"', b"{", b"\xff"])
def test_done_is_an_object(payload: bytes) -> None:
    line = frames.encode(0, "done", "done", payload)[0]
    with pytest.raises(ProtocolError, match="done done: "):
        parse(f"{line}\n".encode())


def test_nothing_comes_after_done() -> None:
    data = written([]) + frames.encode(1, "file", "late", b"x")[0].encode() + b"\n"
    with pytest.raises(ProtocolError, match="file late after the guest said it was done"):
        parse(data)


def test_silence_is_not_done() -> None:
    assert parse(b"") == GuestOutput()


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
    assert output.done["status"] == "ok"
    assert {f"{edge}/proc/vmstat" for edge in ("baseline", "open", "close", "end")} <= set(
        output.files
    )
    assert "open/execmem/stats" in output.absent
    assert {"hello", "watch", "windows", "reading"} <= {name for name, _ in output.records}
    assert len(KINDS) == 5
