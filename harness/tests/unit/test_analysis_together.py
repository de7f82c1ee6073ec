# SPDX-License-Identifier: GPL-2.0-only
"""Comparisons that are read together: p values against scipy's own, Holm's correction against its
definition and by simulation, and the smallest effect that a run could have seen."""

import math
import random
from itertools import combinations

import numpy as np
import pytest
import scipy.stats  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.stats import POWER, Method, Ratio, Verdict, ratio
from harness.analysis.together import holm, together

EXPERIMENTS = 600
COMPARISONS = 12


def pair(rng: random.Random, n: int, factor: float = 1.0, luck: float = 0.3) -> Ratio:
    base = {s: math.exp(rng.gauss(9, luck)) for s in range(n)}
    own = {s: factor * v * math.exp(rng.gauss(0, luck)) for s, v in base.items()}
    return ratio(own, base)


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_p_of_pairs_is_scipys(n: int) -> None:
    rng = random.Random(n)
    base = [math.exp(rng.gauss(9, 1)) for _ in range(n)]
    own = [x * math.exp(rng.gauss(-0.3, 0.2)) for x in base]
    found = ratio(dict(enumerate(own)), dict(enumerate(base)))
    assert found.p == pytest.approx(scipy.stats.ttest_rel(np.log(own), np.log(base)).pvalue)


def test_p_without_pairs_is_scipys() -> None:
    base, own = {1: 10.0, 2: 14.0, 3: 11.0}, {7: 21.0, 8: 18.0, 9: 30.0, 10: 22.0}
    logs = np.log(list(own.values())), np.log(list(base.values()))
    expected = scipy.stats.ttest_ind(*logs, equal_var=False).pvalue
    assert ratio(own, base).p == pytest.approx(expected)


def test_p_with_zeros_agrees_with_its_interval() -> None:
    rng = np.random.default_rng(5)
    seen = 0
    for _ in range(300):
        base, own = rng.poisson(6, size=6).astype(float), rng.poisson(3, size=6).astype(float)
        found = ratio(dict(enumerate(own)), dict(enumerate(base)))
        if found.method is Method.PAIRED_MEANS and found.low is not None and found.high is not None:
            assert found.p is not None
            assert (found.p < 0.05) == (not found.low <= 1 <= found.high)
            seen += 1
    assert seen > 30


@given(st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=6))
def test_holm_is_closed_testing_with_bonferroni(given_p: list[float]) -> None:
    """By definition: one is corrected to the largest Bonferroni p of all sets that hold it."""
    places = range(len(given_p))
    for place, corrected in enumerate(holm(given_p)):
        sets = [s for size in places for s in combinations(places, size + 1) if place in s]
        assert corrected == pytest.approx(
            max(min(1.0, len(s) * min(given_p[i] for i in s)) for s in sets)
        )


def test_one_false_difference_among_all_is_rare() -> None:
    """Of questions with 12 comparisons and nothing in them, 5 of 100 or fewer tell a difference;
    without the correction it would be nearly half."""
    rng = random.Random(2)
    wrong = alone = 0
    for _ in range(EXPERIMENTS):
        ratios = [pair(rng, 5) for _ in range(COMPARISONS)]
        differ = (Verdict.LOWER, Verdict.HIGHER)
        alone += any(one.verdict in differ for one in ratios)
        wrong += any(one.verdict in differ for one in together(ratios))
    assert wrong / EXPERIMENTS <= 0.05 + 0.027  # three standard errors
    assert alone / EXPERIMENTS > 0.3


def test_a_true_difference_is_still_told() -> None:
    rng = random.Random(4)
    told = 0
    for _ in range(200):
        ratios = [pair(rng, 5, 0.29, luck=0.02), *(pair(rng, 5) for _ in range(11))]
        told += together(ratios)[0].verdict is Verdict.LOWER
    assert told == 200


def test_what_only_holds_alone_is_undecided_and_says_so() -> None:
    strong, weak = (
        Ratio(value=0.5, low=0.4, high=0.6, n=5, p=1e-6),
        Ratio(value=0.8, low=0.65, high=0.98, n=5, p=0.04),
    )
    first, second = together([strong, weak])
    assert (first.verdict, first.chance) == (Verdict.LOWER, False)
    assert (second.verdict, second.adjusted, second.among) == (Verdict.LOWER, 0.04, 2)
    first, second = together([Ratio(value=0.5, low=0.4, high=0.6, n=5, p=0.03), weak])
    assert (first.verdict, second.verdict) == (Verdict.UNDECIDED, Verdict.UNDECIDED)
    assert first.chance and second.chance


def test_ratios_without_a_p_are_no_comparisons() -> None:
    none = Ratio(value=None, reason="both are 0: no ratio")
    single = Ratio(value=0.5, n=1, method=Method.ONE_SEED)
    assert together([none, single]) == (none, single)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_the_smallest_effect_is_seen_as_often_as_said(n: int) -> None:
    """With a true change of that size 80 of 100 intervals leave 1 out."""
    rng = random.Random(n)
    spread = 0.05
    seen = 0
    freedom = n - 1
    quantiles = scipy.stats.t.ppf(0.975, freedom) + scipy.stats.t.ppf(POWER, freedom)
    factor = math.exp(quantiles * spread / math.sqrt(n))
    for _ in range(EXPERIMENTS):
        base = dict.fromkeys(range(n), 1000.0)
        own = {s: factor * v * math.exp(rng.gauss(0, spread)) for s, v in base.items()}
        found = ratio(own, base)
        seen += found.low is not None and found.low > 1
    assert seen / EXPERIMENTS >= POWER - 0.05


def test_the_smallest_effect_of_a_ratio() -> None:
    found = Ratio(value=1.0, low=0.9, high=1.1, n=4, method=Method.PAIRED_LOG, log_sd=0.1)
    freedom = scipy.stats.t(3)
    expected = math.exp((freedom.ppf(0.975) + freedom.ppf(POWER)) * 0.05)
    assert found.smallest == pytest.approx(expected)
    assert Ratio(value=1.0, low=1.0, high=1.0, n=4, method=Method.CONSTANT).smallest is None
