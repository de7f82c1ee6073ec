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

from harness.analysis.stats import (
    MATERIAL,
    MAX_SEEDS,
    Method,
    Ratio,
    Verdict,
    difference,
    expected_half_width,
    ratio,
    seeds_to_settle,
    summarise,
)

TRIALS = 2000
"""Simulated experiments per coverage test: a true 95 % lies in 0.95 ± 0.015 (3 sigma)."""


def sides(ours: list[float], base: list[float]) -> tuple[dict[int, float], dict[int, float]]:
    return dict(enumerate(ours)), dict(enumerate(base))


def ends(found: Ratio) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def test_difference_is_the_reference_interval() -> None:
    ours, base = {1: 10.0, 2: 13.0, 3: 11.0, 9: 5.0}, {1: 30.0, 2: 31.0, 3: 34.0, 4: 0.0}
    found = difference(ours, base)
    assert found is not None
    expected = scipy.stats.ttest_rel([10, 13, 11], [30, 31, 34]).confidence_interval(0.95)
    assert found.n == 3
    assert found.value == pytest.approx(-61 / 3)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    one = difference({1: 3.0}, {1: 1.0})
    assert one is not None
    assert (one.value, one.low) == (2.0, None)
    assert difference({1: 3.0}, {2: 1.0}) is None


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
    """A wide interval is not a proof that nothing changed."""
    found = Ratio(value=(low + high) / 2, low=low, high=high, n=3, method=Method.PAIRED_LOG)
    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("low", "high", "vague"),
    [
        (5e-6, 0.3, True),
        (3.0, 40.0, True),
        (0.5, 2.0, True),
        (0.1, 1.1, True),  # more than tenfold, and no increase excluded
        (0.8, 1.25, True),
        (0.81, 1.24, False),
        (0.5, 1.1, False),
        (0.0, 1.5e-6, False),  # at least tenfold is something to say
        (12.0, 500.0, False),
        (0.1, 0.9, False),
        (1.0, 1.0, False),
    ],
)
def test_an_interval_that_says_nothing(low: float, high: float, vague: bool) -> None:
    method = Method.CONSTANT if low == high else Method.PAIRED_LOG
    assert Ratio(value=1.0, low=low, high=high, n=3, method=method).vague is vague


@pytest.mark.parametrize("log_sd", [0.05, 0.1, 0.3, 0.8])
def test_seeds_to_settle_by_simulation(log_sd: float) -> None:
    """With so many seeds the mean half-width is below a material change, with one fewer not."""
    needed = seeds_to_settle(log_sd)
    assert needed is not None
    rng = np.random.default_rng(5)

    def half_width(n: int) -> float:
        logs = rng.normal(0, log_sd, size=(20_000, n))
        quantile = scipy.stats.t.ppf(0.975, n - 1)
        return float(np.mean(quantile * logs.std(axis=1, ddof=1) / math.sqrt(n)))

    assert half_width(needed) < math.log(MATERIAL)
    assert expected_half_width(log_sd, needed) == pytest.approx(half_width(needed), rel=0.02)
    if needed > 2:
        assert half_width(needed - 1) >= math.log(MATERIAL)


def test_so_many_seeds_do_settle() -> None:
    """Equal builds that differ by luck: most experiments of that size show no difference."""
    needed = seeds_to_settle(0.3)
    assert needed is not None
    rng = random.Random(13)
    shown = dict.fromkeys((3, needed, 2 * needed), 0)
    for n in shown:
        for _ in range(500):
            ours = [math.exp(rng.gauss(0, 0.3)) for _ in range(n)]
            found = ratio(*sides(ours, [1.0] * n))
            shown[n] += found.verdict is Verdict.NO_DIFFERENCE
    assert shown[3] < 25
    assert shown[needed] > 100
    assert shown[2 * needed] > 350


def test_more_seeds_than_anybody_runs() -> None:
    assert seeds_to_settle(50.0) is None
    assert seeds_to_settle(1e-9) == 2
    assert seeds_to_settle(1e-9, more_than=7) == 8
    assert seeds_to_settle(0.1, more_than=MAX_SEEDS) is None


def test_seeds_needed_of_a_ratio() -> None:
    found = ratio(*sides([1.0, 2.0, 9.0], [1.5, 1.4, 1.3]))
    assert found.vague
    assert found.log_sd is not None
    assert found.seeds_needed == seeds_to_settle(found.log_sd / 0.8862, more_than=3)
    unpaired = ratio({1: 1.0, 2: 3.0}, {3: 2.0, 4: 2.1})
    assert unpaired.log_sd == pytest.approx(
        math.sqrt(sum(np.var(np.log(v), ddof=1) for v in ([1.0, 3.0], [2.0, 2.1])))
    )
    zeros = ratio(*sides([0.0, 2.0, 9.0], [1.5, 1.4, 1.3]))
    assert (zeros.log_sd, zeros.seeds_needed) == (None, None)


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
