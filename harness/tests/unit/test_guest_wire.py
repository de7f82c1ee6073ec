# SPDX-License-Identifier: GPL-2.0-only
"""What a hostile guest can send: each is refused with a reason, none with another exception."""

import json
import sys
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest.agent import frames, wire
from harness.guest.agent.checks import parse
from harness.guest.agent.frames import Kind
from harness.guest.agent.wire import WireError
from harness.guest.decoded import decode

READING = {"name": "n", "value": 1, "unit": "u", "labels": {}, "status": "ok", "reason": ""}
WINDOW = {"label": "measured", "ns": 5}
SENT: dict[str, Any] = {
    "hello": {"release": "6.1", "cpus": 2, "cmdline": "", "python": "3.11"},
    "watch": {"symbol": "f", "address": 1 << 63, "reason": ""},
    "calls": {"f": 1, "g": None},
    "calls_unknown": {"g": "inlined"},
    "windows": {"1": WINDOW},
    "cycle": {"window": 2, "cycle": 0, "ns": 5},
    "user_text": {"origin": "own", "start": 1, "end": 2},
    "reading": READING,
    "note": "a note",
    "verdicts": {"t": "pass"},
    "perf_status": 129,
}


def channel(*records: tuple[str, Any], done: Any = None) -> bytes:
    """What a guest writes that sends ``records`` and ends well; bytes are sent as they are."""
    lines: list[str] = []

    def add(kind: str, name: str, value: Any) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        lines.extend(frames.encode(len(lines), kind, name, data))

    for name, value in records:
        add("record", name, value)
    add("done", "done", done or {"status": "ok", "reason": ""})
    return "".join(f"{line}\n" for line in lines).encode()


def test_every_record_crosses_unchanged() -> None:
    assert set(SENT) == set(wire.RECORDS)
    for name, value in SENT.items():
        record = wire.decode(name, value)
        assert json.loads(wire.encode(record)) == value
    decoded = decode(channel(*SENT.items()))
    assert decoded.calls == wire.Calls(addresses={"f": 1, "g": None})
    assert (decoded.notes, decoded.perf_status) == (("a note",), 129)
    assert (decoded.verdicts, decoded.calls_unknown) == ({"t": "pass"}, {"g": "inlined"})


def reading(**changes: Any) -> tuple[str, Any]:
    return "reading", {**READING, **changes}


def without(name: str, key: str) -> tuple[str, Any]:
    return name, {k: v for k, v in SENT[name].items() if k != key}


HOSTILE: list[tuple[tuple[str, Any], str]] = [
    (reading(value="1"), "reading.value: '1' is not a number"),
    (reading(value=True), "reading.value: true is not a number"),
    (reading(value=[1]), "reading.value: a list is not a number"),
    (reading(value=float("nan")), "record reading: NaN is not a number of JSON"),
    (reading(value=float("-inf")), "record reading: -Infinity is not a number of JSON"),
    (("reading", json.dumps(READING).replace("1", "1e999").encode()), "value: inf is not finite"),
    (reading(value=1 << 64), "reading.value: 18446744073709551616 is not within"),
    (reading(value=-(1 << 63) - 1), "reading.value: -9223372036854775809 is not within"),
    (reading(value=10**300), "reading.value: an integer of 997 bits is not within"),
    (reading(name="\ud800"), r"reading.name: '\ud800' has half a surrogate pair"),
    (reading(labels={"\udfff": "x"}), r"'\udfff' has half a surrogate pair"),
    (reading(name=""), "reading.name: it is empty"),
    (reading(labels={"cpu": 1}), "reading.labels['cpu']: 1 is not a string"),
    (reading(labels=["cpu"]), "reading.labels: a list is not an object"),
    (reading(status="fine"), "reading.status: 'fine' is none of ok, scaled, "),
    (reading(status=["ok"]), "reading.status: a list is none of"),
    (reading(value=None), "'n' has the value null and the status ok"),
    (reading(status="failed"), "'n' has the value 1 and the status failed"),
    (reading(colour="red"), "reading: unknown key 'colour'"),
    (without("reading", "unit"), "reading: no key 'unit'"),
    (without("cycle", "ns"), "cycle: no key 'ns'"),
    (("reading", [READING]), "reading: a list is not an object"),
    (("reading", b'{"name": 1, "name": 2}'), "record reading: key 'name' is given twice"),
    (("reading", b"[" * 100_000), "record reading: it is nested too deeply"),
    (("reading", b"{"), "record reading: no JSON: "),
    (("reading", b"\xff"), "record reading: no JSON: "),
    (("surprise", {}), "unknown record 'surprise'"),
    (("verdicts", {"t": "maybe"}), "verdicts['t']: 'maybe' is none of pass, fail, skip"),
    (("verdicts", {"": "pass"}), "verdicts (key): it is empty"),
    (("windows", {"0": WINDOW}), "windows: '0' is not a window's number"),
    (("windows", {"99": WINDOW}), "windows.99.number: 99 is not within 1 to 31"),
    (("windows", {"2": {**WINDOW, "ns": -1}}), "windows.2.ns: -1 is not within"),
    (("windows", {"2": 5}), "windows.2: 5 is not a window"),
    (("cycle", {"window": 1.5, "cycle": 0, "ns": 5}), "cycle.window: 1.5 is not an integer"),
    (("user_text", {"origin": "o", "start": 2, "end": 2}), "user_text: it ends at 2, from 2"),
    (("watch", {"symbol": "f", "address": -1}), "watch.address: -1 is not within"),
    (("note", {"text": "x"}), "note: an object is not a string"),
    (("perf_status", "0"), "perf_status: '0' is not an integer"),
]


@pytest.mark.parametrize(("record", "reason"), HOSTILE, ids=[reason for _, reason in HOSTILE])
def test_what_does_not_fit_is_refused(record: tuple[str, Any], reason: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(channel(("windows", {"1": WINDOW}), record))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([reading(), reading(value=2)], "reading: ('n', ()) is given twice"),
        ([("windows", {"1": WINDOW})], "window: 1 is given twice"),
        ([("windows", {"2": WINDOW})], "windows: 'measured' is given twice"),
        ([("cycle", SENT["cycle"]), ("cycle", {**SENT["cycle"], "window": 3})], "cycle: 0 is"),
        ([("cycle", {**SENT["cycle"], "window": 1})], "window: 1 is given twice"),
        ([("user_text", SENT["user_text"])] * 2, "user_text: 'own' is given twice"),
        ([("verdicts", {"t": "pass"}), ("verdicts", {"t": "fail"})], "verdicts: 't' is given"),
        ([("hello", SENT["hello"])] * 2, "hello: it was sent 2 times"),
        ([("perf_status", 0)] * 2, "perf_status: it was sent 2 times"),
    ],
)
def test_what_contradicts_itself_is_refused(records: list[Any], reason: str) -> None:
    with pytest.raises(WireError) as caught:
        decode(channel(("windows", {"1": WINDOW}), *records))
    assert reason in str(caught.value)


def test_a_window_that_was_never_opened() -> None:
    with pytest.raises(WireError, match="never opened the measured window"):
        decode(channel(reading()))
    assert decode(channel(done={"status": "failed", "kind": "agent"})).windows == ()


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../b", ".", "a//b", "a\\b", "é", "x" * 201]
)
def test_a_name_that_escapes(name: str) -> None:
    line = frames.encode(0, "file", "x", b"x")[0].replace(" x ", f" {name} ")
    with pytest.raises(WireError, match="not a relative name"):
        decode(f"{line}\n".encode())


def test_a_file_that_is_sent_twice() -> None:
    lines = [*frames.encode(0, "file", "x", b"1"), *frames.encode(1, "absent", "x", b"2")]
    with pytest.raises(WireError, match="absent x: it was sent before"):
        decode("".join(f"{line}\n" for line in lines).encode())


def test_a_payload_that_grows_without_end() -> None:
    bomb = zlib.compress(bytes(1 << 20))
    assert len(bomb) < 2000
    with pytest.raises(WireError, match="more than 1000 bytes"):
        frames.unpack(bomb, "frame 0", 1000)
    with pytest.raises(WireError, match="goes on behind its end"):
        frames.unpack(zlib.compress(b"x") + b"more", "frame 0")


@pytest.mark.parametrize("part", ["0/1", "2/1", "1/0"])
def test_parts_that_do_not_count(part: str) -> None:
    line = frames.encode(0, "file", "x", b"x")[0].replace(" 1/1 ", f" {part} ")
    with pytest.raises(WireError, match=r"part \d of \d"):
        frames.parse_line(1, line)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def nearly(draw: st.DrawFn) -> tuple[str, Any]:
    """A record with anything for its value, or for one of its keys."""
    name = draw(st.sampled_from(sorted(SENT)))
    if draw(st.booleans()) or not isinstance(SENT[name], dict):
        return name, draw(JSON)
    key = draw(st.sampled_from(sorted(SENT[name])) | st.text(max_size=3))
    return name, {**SENT[name], key: draw(JSON)}


@given(nearly())
def test_any_value_decodes_or_is_refused(sent: tuple[str, Any]) -> None:
    name, value = sent
    try:
        record = wire.decode(name, value)
    except WireError as error:
        str(error).encode()
        return
    assert wire.decode(name, parse(wire.encode(record), name)) == record


@given(nearly())
def test_a_channel_with_any_value_decodes_or_is_refused(sent: tuple[str, Any]) -> None:
    try:
        decode(channel(("windows", {"1": WINDOW}), sent))
    except WireError as error:
        str(error).encode()


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    for sent in (data, b"EMB1 0 file x 1/1 00000000 " + data + b"\n"):
        try:
            decode(sent)
        except WireError as error:
            str(error).encode()


def test_the_guest_refuses_to_send_what_the_host_would() -> None:
    sent = wire.WorkloadReading(
        name="n", value=float("nan"), unit="", labels={}, status="ok", reason=""
    )
    with pytest.raises(WireError, match="NaN"):
        wire.encode(sent)
    with pytest.raises(WireError, match="note: "):
        wire.encode(wire.Note(text={1}))  # type: ignore[arg-type]


def test_the_trial_document_crosses() -> None:
    document = wire.TrialDocument(
        variant="v", seed=7, smp=2, pti="on", params={"a": 1, "b": True, "c": "x", "d": 0.5},
        module="m.py", watch="f", traces=("tlb_flush",), perf_events=("r0285",), calls=("g",),
    )  # fmt: skip
    assert wire.TrialDocument.from_json(parse(wire.encode(document), ""), "") == document
    with pytest.raises(WireError, match=r"trial\.smp: 0 is not within"):
        wire.TrialDocument.from_json({**document.to_json(), "smp": 0}, "trial")  # type: ignore[dict-item]


def test_only_the_standard_library() -> None:
    """The guest imports these before it has anything else."""
    for module in (wire, frames, sys.modules[parse.__module__]):
        names = {getattr(value, "__module__", "") or "" for value in vars(module).values()}
        roots = {name.split(".")[0] for name in names} - {""}
        assert roots <= set(sys.stdlib_module_names) | {"harness"}
    assert [str(kind) for kind in Kind] == ["progress", "file", "absent", "record", "done"]
