# SPDX-License-Identifier: GPL-2.0-only
"""Which of a row of kernels, the first good and the last bad, is the first bad one. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from harness.analysis.stats import MATERIAL


class Answer(StrEnum):
    """What a step is."""

    GOOD = "good"
    BAD = "bad"
    UNTESTABLE = "untestable"  # it does not build, or its trial has no result


@dataclass(frozen=True, kw_only=True)
class Found:
    """The change came after the step ``good`` and at the latest with ``bad``; between them are
    only steps that cannot be tested."""

    good: int
    bad: int

    @property
    def suspects(self) -> tuple[int, ...]:
        """Steps of which one brought it; one where all could be tested."""
        return tuple(range(self.good + 1, self.bad + 1))


def next_step(last: int, known: Mapping[int, Answer]) -> int | None:
    """The step to test next, of 0 to ``last``; None when nothing is left to learn.

    Both ends first; then the one nearest to the middle between the last good and the first bad
    one, of those that were not found to be untestable.
    """
    for end in (0, last):
        if end not in known:
            return end
    if known[0] is not Answer.GOOD or known[last] is not Answer.BAD:
        return None
    found = result(last, known)
    middle = (found.good + found.bad) / 2
    left = [step for step in range(found.good + 1, found.bad) if step not in known]
    return min(left, key=lambda step: (abs(step - middle), step), default=None)


def result(last: int, known: Mapping[int, Answer]) -> Found:
    """What is known so far. The ends must have been tested and be good and bad."""
    bad = min(step for step in range(last + 1) if known.get(step) is Answer.BAD)
    good = max(step for step in range(bad) if known.get(step) is Answer.GOOD)
    return Found(good=good, bad=bad)


def judge(value: float, good: float, bad: float) -> Answer:
    """Whether ``value`` is nearer to what the good or what the bad end reads; by their ratios
    where none is 0."""
    if value > 0 and good > 0 and bad > 0:
        value, good, bad = math.log(value), math.log(good), math.log(bad)
    return Answer.GOOD if abs(value - good) < abs(value - bad) else Answer.BAD


def near(good: float, bad: float) -> bool:
    """Whether the ends differ so little that layout alone could do it."""
    if good > 0 and bad > 0:
        return max(good, bad) / min(good, bad) < MATERIAL
    return good == bad


def between(value: float, good: float, bad: float) -> bool:
    """Whether ``value`` is like neither end: off by a material factor from both."""
    return not near(value, good) and not near(value, bad)
