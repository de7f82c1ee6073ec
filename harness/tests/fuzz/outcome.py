# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of damaged input: it is read, or refused in one line. Nothing else."""

import random
from collections.abc import Callable

Outcome = tuple[int, int]
"""Cases that were read to their end, and cases that were refused."""
Part = Callable[[int, int], Outcome]
"""Runs so many cases from a seed."""
MOST = 2000
"""Characters of a refusal."""


def one_line(error: Exception) -> None:
    """What a refusal must be."""
    text = str(error)
    assert text.strip(), type(error)
    assert "\n" not in text, ascii(text)[:500]
    assert len(text) < MOST, ascii(text)[:500]


def count(seed: int, cases: int, case: Callable[[random.Random], bool]) -> Outcome:
    """Run ``case`` so often; it says whether what it made was read."""
    rng = random.Random(seed)
    read = sum(case(rng) for _ in range(cases))
    return read, cases - read


def both_ends_seen(outcome: Outcome, cases: int) -> None:
    """Damage that is always refused, or never, tests nothing."""
    read, refused = outcome
    assert read + refused == cases
    assert min(outcome) > cases // 50, outcome
