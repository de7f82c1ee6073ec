# SPDX-License-Identifier: GPL-2.0-only
"""The first bad one of a row is found, with few tests, whatever cannot be tested."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.bisection import Answer, between, judge, near, next_step, result


@given(st.data())
def test_the_step_that_brought_it_is_always_among_the_suspects(data: st.DataObject) -> None:
    last = data.draw(st.integers(1, 40))
    first_bad = data.draw(st.integers(1, last))
    broken = data.draw(st.sets(st.integers(1, last - 1))) if last > 1 else set()
    known: dict[int, Answer] = {}
    while (step := next_step(last, known)) is not None:
        assert step not in known
        if step in broken:
            known[step] = Answer.UNTESTABLE
        else:
            known[step] = Answer.BAD if step >= first_bad else Answer.GOOD
    found = result(last, known)
    assert first_bad in found.suspects
    assert all(s in broken for s in found.suspects[:-1])
    if not broken:
        assert found.suspects == (first_bad,)
        assert len(known) <= 2 + math.ceil(math.log2(last)) if last > 1 else len(known) == 2


def test_ends_that_are_not_good_and_bad_end_it() -> None:
    assert next_step(5, {0: Answer.BAD}) == 5
    assert next_step(5, {0: Answer.BAD, 5: Answer.BAD}) is None


@pytest.mark.parametrize(
    ("value", "good", "bad", "answer"),
    [
        (280, 280, 0, Answer.GOOD),
        (0, 280, 0, Answer.BAD),
        (8, 280, 0, Answer.BAD),
        (1000, 12_000, 2_000, Answer.BAD),
        (6000, 12_000, 2_000, Answer.GOOD),  # by their ratios the middle is 4,900
        (0, 0, 1, Answer.GOOD),
    ],
)
def test_nearer_to_which_end(value: float, good: float, bad: float, answer: Answer) -> None:
    assert judge(value, good, bad) is answer


def test_what_layout_alone_could_do() -> None:
    assert near(100, 110)
    assert not near(100, 130)
    assert not near(0, 1)
    assert between(50, 100, 10)
    assert not between(98, 100, 10)
