# SPDX-License-Identifier: GPL-2.0-only
"""Damage to real input, drawn from a seed: what a cut cable, a full disk or a new version does."""

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any

WORDS = (
    *("0", "-1", "1e999", "nan", "inf", "1,000", "18446744073709551616", "0x10", "1.2.3", "100.01"),
    *("9" * 5000, "\u00b2"),
    *("<not counted>", "<not supported>", "<not>", "null", "true", "{}", "[]", '""', "'"),
    *(";", ",", "/", ":", "#", "%", "\t", "\\", "\x00", "\ufeff", "\ud800", "\u0661", "\r"),
)


def damaged(texts: Sequence[str], seed: int, count: int) -> Iterator[str]:
    """``count`` texts, each one of ``texts`` with one to four places damaged."""
    rng = random.Random(seed)
    for _ in range(count):
        yield damaged_text(rng, rng.choice(texts), texts)


def damaged_text(rng: random.Random, text: str, others: Sequence[str]) -> str:
    """``text`` with one to four places damaged, by lines of ``others`` too."""
    for _ in range(rng.randrange(1, 5)):
        text = _damage(rng, text, others)
    return text


def _damage(rng: random.Random, text: str, texts: Sequence[str]) -> str:
    at = rng.randrange(len(text) + 1)
    end = min(len(text), at + rng.choice((1, 1, 2, 5, 20, 80)))
    kind = rng.randrange(7)
    if kind == 0:
        return text[:at]
    if kind == 1:
        return text[:at] + text[end:]
    if kind == 2:
        return text[:at] + rng.choice(WORDS) + text[at:]
    if kind == 3:
        return text[:at] + rng.choice(WORDS) + text[end:]
    if kind == 4:
        return text[:at] + chr(rng.randrange(1, 0x250)) + text[end:]
    if kind == 5:
        return text[:at] + text[at:end] * 2 + text[end:]
    lines, others = text.splitlines(True), rng.choice(texts).splitlines(True)
    if lines and others:
        lines[rng.randrange(len(lines))] = rng.choice(others)
    return "".join(lines)


VALUES: tuple[object, ...] = (
    *(None, True, False, 0, 1, -1, 0.5, -0.0, 1e308, 1 << 31, 1 << 53, (1 << 63) - 1, 1 << 63),
    *((1 << 64) - 1, 1 << 64, 10**40, "", "x", "ok", "0x0", "0xffffffffffffffff", "-1", "\n", "\0"),
    *("../../x", "<script>", "a" * 300, [], {}, [[]], [0], {"": 0}),
)
"""What a JSON value is replaced by."""


def damaged_value(rng: random.Random, document: object) -> Any:
    """A copy of the JSON value ``document`` with one to three of its values others, gone, given
    twice or taken from another place of it."""
    changed = copy.deepcopy(document)
    for _ in range(rng.randrange(1, 4)):
        at = changed
        holder: Any = None
        key: Any = None
        while isinstance(at, dict | list) and at and (holder is None or rng.random() < 0.8):
            holder, key = at, rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
            at = at[key]
        if holder is None:
            return rng.choice(VALUES)
        kind = rng.randrange(5)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(at))
        elif kind == 1:
            holder[f"{key}{rng.choice(WORDS)}"] = copy.deepcopy(at)
        elif kind == 2:
            other = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            holder[key] = copy.deepcopy(holder[other])
        elif kind == 3 and isinstance(at, int) and not isinstance(at, bool):
            holder[key] = at + rng.choice((-1, 1, 4096, 1 << 32, -at, at))
        else:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
    return changed


BYTES = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\x01",
    b"\xff\xff\xff\xff",
    b"\x00\x00\x00\x80",
    b"/",
    b"..",
)


def damaged_bytes(rng: random.Random, data: bytes) -> bytes:
    """``data`` with one to four places damaged, most of them in its first kilobyte."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        most = len(changed) if rng.random() < 0.3 else min(len(changed), 1024)
        at = rng.randrange(most + 1)
        end = min(len(changed), at + rng.choice((1, 1, 2, 4, 8, 100)))
        kind = rng.randrange(5)
        if kind == 0 and rng.random() < 0.3:
            del changed[at:]
        elif kind == 1:
            changed[at:end] = changed[at:end][::-1]
        elif kind == 2:
            changed[at:end] = rng.choice(BYTES) * (end - at)
        elif kind == 3:
            changed[at:end] = b""
        elif at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)
