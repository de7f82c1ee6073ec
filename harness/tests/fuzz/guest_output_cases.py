# SPDX-License-Identifier: GPL-2.0-only
"""Damaged output of guests, and what may be made of it: a result, or one line that refuses it."""

import json
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.counters import readings
from harness.counters.facts import (
    guest_symbols,
    guest_tables,
    holdings,
    module_pages,
    page_tables,
)
from harness.counters.facts.files import PARSERS, Files, Missing
from harness.counters.readings import RawTrial
from harness.errors import DataError, TrialError
from harness.guest import console
from harness.guest.agent.frames import Kind
from harness.guest.agent.wire import WireError
from harness.guest.decoded import Decoded, decode
from harness.guest.protocol import Frame, Stream
from harness.model.reading import Reading
from harness.tests.fuzz import small_trials
from harness.tests.fuzz.mutations import damaged_text, damaged_value
from harness.tests.fuzz.outcome import Outcome, count, one_line
from harness.tests.golden import DATA
from harness.tests.unit.captured_trials import spec


def _of_text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode(errors="replace"))


PARSED: Mapping[str, Callable[[bytes], object]] = {
    **{name: _of_text(parse) for name, parse in PARSERS.items()},
    guest_tables.DUMP: _of_text(page_tables.parse),
    "kallsyms_text": _of_text(guest_symbols.kallsyms),
    "bpf_progs.json": guest_symbols.programs,
    holdings.MODULES: _of_text(module_pages.parse),
}
"""How each raw file is read, by its name without the edge."""


def channels(seed: int, cases: int) -> Outcome:
    """A few frames, damaged on the wire or in what they carry."""
    return count(
        seed, cases, lambda rng: decoded(damaged_channel(rng, few_frames(rng))) is not None
    )


def few_frames(rng: random.Random) -> tuple[Frame, ...]:
    """Some of a trial's frames, the last one among them."""
    *sent, done = small_trials.frames(rng.choice(small_trials.NAMES))
    return (*rng.sample(sent, 3), *(f for f in sent if f.name == "windows"), done)


def damaged_channel(rng: random.Random, sent: tuple[Frame, ...]) -> bytes:
    """``sent`` with its text or, more often, the payload of a frame damaged."""
    if rng.random() < 0.3:
        text = small_trials.channel(sent).decode()
        return damaged_text(rng, text, (text,)).encode(errors="surrogatepass")
    at = rng.randrange(len(sent))
    return small_trials.channel((*sent[:at], damaged_frame(rng, sent[at]), *sent[at + 1 :]))


def damaged_frame(rng: random.Random, frame: Frame) -> Frame:
    """``frame`` with another payload; one of JSON stays JSON, mostly."""
    is_json = frame.kind in (Kind.RECORD, Kind.DONE) or frame.name.endswith(".json")
    if is_json and rng.random() < 0.8:
        changed = json.dumps(damaged_value(rng, json.loads(frame.payload)))
    else:
        text = frame.payload.decode()
        changed = damaged_text(rng, text, (text or "0",))
    return replace(frame, payload=changed.encode(errors="surrogatepass"))


def decoded(data: bytes) -> Decoded | None:
    """What the channel ``data`` says; None where it is refused, in one line."""
    Stream().feed(data)
    try:
        return decode(data)
    except WireError as error:
        one_line(error)
        return None


def raw_files(seed: int, cases: int) -> Outcome:
    """Each of the files that the host reads, a few lines of it, damaged."""
    texts: dict[str, list[str]] = {}
    for name in small_trials.NAMES:
        for frame in small_trials.frames(name):
            plain = frame.name.partition("/")[2]
            if frame.kind is Kind.FILE and plain in PARSED:
                texts.setdefault(plain, []).append(frame.payload.decode() or "0\n")
    assert len(texts) > len(PARSED) // 2, sorted(texts)
    names = sorted(texts)

    def case(rng: random.Random) -> bool:
        name = rng.choice(names)
        text = rng.choice(texts[name])
        if name.endswith(".json") and rng.random() < 0.8:
            text = json.dumps(damaged_value(rng, json.loads(text)))
        else:
            text = damaged_text(rng, text, texts[name])
        files = Files({f"open/{name}": text.encode(errors="surrogatepass")}, {})
        value = files.parsed("open", name, PARSED[name])
        if isinstance(value, Missing):
            assert "\n" not in value.reason, text
        return not isinstance(value, Missing)

    return count(seed, cases, case)


def consoles(seed: int, cases: int) -> Outcome:
    """Consoles of kernels that failed, damaged: "read" are those that still tell a failure."""
    texts = [path.read_text()[-4000:] for path in sorted((DATA / "guest").glob("*.log"))]

    def case(rng: random.Random) -> bool:
        text = damaged_text(rng, rng.choice(texts), texts)
        watcher = console.Watcher()
        data = text.encode(errors="surrogatepass")
        for at in range(0, len(data), 1000):
            watcher(data[at : at + 1000])
        verdict = console.worst(text)
        shown = [console.explained("x", text), *console.taints(text), *console.tail(text, 5)]
        shown += [verdict.line] if verdict else []
        assert not any("\n" in line for line in shown), text
        return verdict is not None

    return count(seed, cases, case)


def whole_trials(seed: int, cases: int) -> Outcome:
    """All of a trial, a frame or two damaged, down to its readings."""

    def case(rng: random.Random) -> bool:
        name = rng.choice(small_trials.NAMES)
        sent = small_trials.frames(name)
        for at in rng.sample(range(len(sent)), 2):
            sent = (*sent[:at], damaged_frame(rng, sent[at]), *sent[at + 1 :])
        channel = decoded(small_trials.channel(sent))
        if channel is None:
            return False
        report = json.dumps(small_trials.report(name)).encode()
        try:
            made = readings.of_trial(spec(), RawTrial(decoded=channel, report=report))
        except (DataError, TrialError) as error:
            one_line(error)
            return False
        check_readings(made.readings)
        return True

    return count(seed, cases, case)


def check_readings(made: tuple[Reading, ...]) -> None:
    """Each has a number, or says why it has none."""
    for one in made:
        assert one.value is not None or one.reason, one
        assert one.value is None or math.isfinite(one.value), one
