# SPDX-License-Identifier: GPL-2.0-only
"""Statistics against scipy's own routines, and by simulated coverage."""

import math
import random
import statistics

import numpy as np
import pytest
import scipy.stats  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.stats import Method, Ratio, Verdict, ratio, summarise

TRIALS = 2000
"""Simulated experiments per coverage test: a true 95 % lies in 0.95 ± 0.015 (3 sigma)."""


def sides(ours: list[float], base: list[float]) -> tuple[dict[int, float], dict[int, float]]:
    return dict(enumerate(ours)), dict(enumerate(base))


def ends(found: Ratio) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_summary() -> None:
    found = summarise([4.0, 1.0, 3.0, 2.0, 10.0])
    assert found is not None
    assert (found.n, found.median, found.mean, found.low, found.high) == (5, 3, 4, 1, 10)
    assert (found.q1, found.q3) == tuple(np.percentile([1, 2, 3, 4, 10], [25, 75]))
    few = summarise([2.0, 1.0])
    assert few is not None
    assert few.q1 is None
    assert summarise([]) is None


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_paired_against_scipy(n: int) -> None:
    rng = random.Random(n)
    base = [math.exp(rng.gauss(9, 1)) for _ in range(n)]
    ours = [x * math.exp(rng.gauss(-0.3, 0.2)) for x in base]
    found = ratio(*sides(ours, base))
    reference = scipy.stats.ttest_rel(np.log(ours), np.log(base)).confidence_interval(0.95)
    assert found.method is Method.PAIRED_LOG
    assert found.n == n
    assert found.value == pytest.approx(scipy.stats.gmean(np.array(ours) / np.array(base)))
    assert ends(found) == pytest.approx((math.exp(reference.low), math.exp(reference.high)))


def test_unpaired_against_scipy() -> None:
    rng = random.Random(1)
    base = {s: math.exp(rng.gauss(9, 0.5)) for s in range(6)}
    ours = {s: math.exp(rng.gauss(8.6, 0.2)) for s in range(10, 14)}
    found = ratio(ours, base)
    test = scipy.stats.ttest_ind(
        np.log(list(ours.values())), np.log(list(base.values())), equal_var=False
    ).confidence_interval(0.95)
    assert found.method is Method.UNPAIRED_LOG
    assert found.n == 4
    assert ends(found) == pytest.approx((math.exp(test.low), math.exp(test.high)))


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("luck", [0.02, 1.5])
def test_coverage_paired(n: int, luck: float) -> None:
    """Layout luck is shared by the pair or not: 95 of 100 intervals hold the true ratio."""
    rng = random.Random(n)
    held = 0
    for _ in range(TRIALS):
        shared = [rng.gauss(0, 2) for _ in range(n)]
        base = [math.exp(s + rng.gauss(0, luck)) for s in shared]
        ours = [0.76 * math.exp(s + rng.gauss(0, luck)) for s in shared]
        low, high = ends(ratio(*sides(ours, base)))
        held += low <= 0.76 <= high
    assert held / TRIALS == pytest.approx(0.95, abs=0.015)


def test_coverage_unpaired() -> None:
    rng = random.Random(7)
    held = 0
    for _ in range(TRIALS):
        base = {s: math.exp(rng.gauss(5, 0.3)) for s in range(5)}
        ours = {s: 0.76 * math.exp(rng.gauss(5, 0.1)) for s in range(5, 9)}
        low, high = ends(ratio(ours, base))
        held += low <= 0.76 <= high
    assert held / TRIALS >= 0.935  # Welch is a little conservative for so few


def test_coverage_with_zeros() -> None:
    """Counts with zeros among them: Fieller's interval of the ratio of means."""
    rng = np.random.default_rng(3)
    held = bounded = 0
    for _ in range(TRIALS):
        base = rng.poisson(30, size=8).astype(float)
        ours = rng.poisson(1.5, size=8).astype(float)
        if ours.all() or not ours.any():
            continue
        found = ratio(*sides(list(ours), list(base)))
        assert found.method is Method.PAIRED_MEANS
        low, high = ends(found)
        bounded += 1
        held += low <= 0.05 <= high
    assert bounded > TRIALS * 0.8
    assert held / bounded >= 0.92


def test_no_false_difference() -> None:
    """Equal builds are told apart in about 5 of 100 experiments, no more."""
    rng = random.Random(11)
    wrong = 0
    for _ in range(TRIALS):
        base = [math.exp(rng.gauss(9, 0.4)) for _ in range(5)]
        ours = [math.exp(rng.gauss(9, 0.4)) for _ in range(5)]
        wrong += ratio(*sides(ours, base)).verdict in (Verdict.LOWER, Verdict.HIGHER)
    assert wrong / TRIALS == pytest.approx(0.05, abs=0.015)


@pytest.mark.parametrize(
    ("ours", "base", "value", "verdict", "reason"),
    [
        ([5.0], [10.0], 0.5, Verdict.ONE_SEED, "one seed: no interval"),
        ([5.0, 50.0], [10.0, 100.0], 0.5, Verdict.LOWER, ""),
        ([0.0, 0.0], [10.0, 20.0], 0.0, Verdict.LOWER, ""),
        ([0.0], [10.0], 0.0, Verdict.ONE_SEED, "one seed: no interval"),
        ([3.0, 4.0], [0.0, 0.0], None, Verdict.UNDEFINED, "the baseline is 0: no ratio"),
        ([0.0, 0.0], [0.0, 0.0], None, Verdict.UNDEFINED, "both are 0: no ratio"),
        ([7.0, 9.0], [7.0, 9.0], 1.0, Verdict.NO_DIFFERENCE, ""),
        (
            [0.0, 0.0],
            [0.0, 1.0],
            0.0,
            Verdict.UNDEFINED,
            "no interval: the baseline varies around 0",
        ),
        (
            [5.0, 5.0, 5.0],
            [0.0, 0.0, 9.0],
            5 / 3,
            Verdict.UNDEFINED,
            "no interval: the baseline varies around 0",
        ),
    ],
)
def test_edges(
    ours: list[float], base: list[float], value: float | None, verdict: Verdict, reason: str
) -> None:
    found = ratio(*sides(ours, base))
    assert found.value == (pytest.approx(value) if value is not None else None)
    assert found.verdict is verdict
    assert found.reason == reason


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.9, 1.1, Verdict.NO_DIFFERENCE),
        (1.0, 1.0, Verdict.NO_DIFFERENCE),
        (0.5, 1.1, Verdict.UNDECIDED),
        (0.9, 1.9, Verdict.UNDECIDED),
        (0.0, 1.1, Verdict.UNDECIDED),
        (0.7, 0.99, Verdict.LOWER),
        (1.01, 9.0, Verdict.HIGHER),
    ],
)
def test_verdict(low: float, high: float, verdict: Verdict) -> None:
    """A wide interval is no proof that nothing changed."""
    found = Ratio(value=(low + high) / 2, low=low, high=high, n=3, method=Method.PAIRED_LOG)
    assert found.verdict is verdict


def test_the_same_ratio_at_every_seed_is_told() -> None:
    found = ratio(*sides([1.0, 3.0, 5.0], [2.0, 6.0, 10.0]))
    assert found.method is Method.CONSTANT
    assert ends(found) == pytest.approx((0.5, 0.5))


def test_nothing_to_compare() -> None:
    assert ratio({}, {1: 2.0}).reason == "no value"
    assert ratio({1: 2.0}, {}).reason == "the baseline has no value"


def test_only_common_seeds_count() -> None:
    found = ratio({1: 5.0, 2: 6.0, 9: 1e9}, {1: 10.0, 2: 11.0, 3: 1.0})
    assert found.n == 2
    assert found.value == pytest.approx(statistics.geometric_mean([0.5, 6 / 11]))


@pytest.mark.parametrize(
    ("ours", "base", "reason"),
    [
        ({1: 0.0, 2: 4.0}, {3: 8.0, 4: 8.0}, "no interval: zeros among seeds"),
        ({1: 4.0}, {2: 8.0}, "one seed: no interval"),
        ({1: 4.0}, {2: 0.0}, "the baseline is 0"),
    ],
)
def test_unpaired_edges(ours: dict[int, float], base: dict[int, float], reason: str) -> None:
    found = ratio(ours, base)
    assert found.low is None
    assert found.reason.startswith(reason)


positive = st.floats(min_value=1e-3, max_value=1e9)


@given(st.lists(st.tuples(positive, positive), min_size=2, max_size=8), st.floats(0.01, 100))
def test_scale_does_not_matter(pairs: list[tuple[float, float]], scale: float) -> None:
    ours, base = [list(side) for side in zip(*pairs, strict=True)]
    plain = ratio(*sides(ours, base))
    scaled = ratio(*sides([y * scale for y in ours], [x * scale for x in base]))
    assert scaled.value == pytest.approx(plain.value, rel=1e-6)
    assert plain.value is not None
    low, high = ends(plain)
    assert low <= plain.value * (1 + 1e-9)
    assert plain.value <= high * (1 + 1e-9)


@given(st.lists(st.tuples(positive, positive), min_size=2, max_size=8))
def test_swapping_the_sides_inverts(pairs: list[tuple[float, float]]) -> None:
    ours, base = [list(side) for side in zip(*pairs, strict=True)]
    plain = ratio(*sides(ours, base))
    swapped = ratio(*sides(base, ours))
    assert plain.value is not None
    assert swapped.value == pytest.approx(1 / plain.value, rel=1e-6)
