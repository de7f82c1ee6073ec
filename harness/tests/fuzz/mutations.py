# SPDX-License-Identifier: GPL-2.0-only
"""Damage to real input, drawn from a seed: what a cut cable, a full disk or a new version does."""

import random
from collections.abc import Iterator, Sequence

WORDS = (
    *("0", "-1", "1e999", "nan", "inf", "1,000", "18446744073709551616", "0x10", "1.2.3", "100.01"),
    *("<not counted>", "<not supported>", "<not>", "null", "true", "{}", "[]", '""', "'"),
    *(";", ",", "/", ":", "#", "%", "\t", "\\", "\x00", "\ufeff", "\ud800", "\u0661", "\r"),
)


def damaged(texts: Sequence[str], seed: int, count: int) -> Iterator[str]:
    """``count`` texts, each one of ``texts`` with one to four places damaged."""
    rng = random.Random(seed)
    for _ in range(count):
        text = rng.choice(texts)
        for _ in range(rng.randrange(1, 5)):
            text = _damage(rng, text, texts)
        yield text


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
