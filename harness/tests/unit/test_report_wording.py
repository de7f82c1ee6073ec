# SPDX-License-Identifier: GPL-2.0-only
"""Numbers and ratios as words."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.stats import Method, Ratio, summarise
from harness.model.specs import TrialSpec
from harness.model.trial_settings import Counters
from harness.report import wording
from harness.tests.unit import synthetic_runs as made


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0, "event", "0"),
        (7, "event", "7"),
        (9999, "event", "9999"),
        (10_000, "event", "10.0 k"),
        (90_123.4, "event/s", "90.1 k"),
        (999_600, "event", "1.00 M"),
        (8_316_823_097, "instruction", "8.32 G"),
        (0.5, "event/op", "0.500"),
        (2.0, "s", "2"),
        (2.004, "s", "2.00"),
        (0.000123, "event/op", "0.000123"),
        (0.0000123, "event/op", "1.2e-05"),
        (-1500.5, "event", "-1.50 k"),
        (8, "kB", "8 KiB"),
        (10_240, "kB", "10 MiB"),
        (500, "B", "500 B"),
        (0, "B", "0 B"),
        (1536, "B", "1.50 KiB"),
        (2_097_152, "B", "2 MiB"),
    ],
)
def test_number(value: float, unit: str, said: str) -> None:
    assert wording.number(value, unit) == said


@pytest.mark.parametrize(
    ("values", "unit", "said"),
    [
        ([42_200, 39_600, 43_000], "event", "42.2 k (39.6..43.0)"),
        ([9_000, 9_500, 10_500], "event", "9500 (9000..10500)"),
        ([3, 3, 3], "page", "3"),
        ([12_301, 12_302, 12_303], "event", "12.3 k"),
        ([3, 4, 5], "page", "4 (3..5)"),
        ([8192, 10_240, 10_240], "kB", "10 MiB (8..10)"),
        ([0, 0, 5], "event", "0 (0..5)"),
    ],
)
def test_spread(values: list[float], unit: str, said: str) -> None:
    summary = summarise(values)
    assert summary is not None
    assert wording.spread(summary, unit) == said


def between(value: float, low: float, high: float) -> Ratio:
    return Ratio(value=value, low=low, high=high, n=5, method=Method.PAIRED_LOG)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (between(0.7561, 0.7402, 0.7788), "×0.76 [0.74, 0.78]"),
        (between(1.0001, 0.93, 1.06), "×1.00 [0.93, 1.06]"),
        (between(0.9975, 0.9961, 0.9989), "×0.998 [0.996, 0.999]"),
        (between(1.0004, 1.0001, 1.0007), "×1.0004 [1.0001, 1.0007]"),
        (between(0.0034, 0.0021, 0.0055), "×0.0034 [0.0021, 0.0055]"),
        (between(0.02, 0.0, 0.05), "×0.020 [0, 0.050]"),
        (between(0.001049, 0.000085, 0.012954), "×0.0010 [8.5e-05, 0.013]"),
        (between(1.36886, 0.00065, 2879), "undecided, about ×1"),
        (between(0.098, 0.0961, 0.105), "×0.098 [0.096, 0.10]"),
        (between(12.34, 9.1, 250.0), "undecided, about ×10"),
        (Ratio(value=0.0, low=0, high=0, n=3, method=Method.CONSTANT), "×0 at every seed"),
        (Ratio(value=0.5, low=0.5, high=0.5, n=3, method=Method.CONSTANT), "×0.50 at every seed"),
        (Ratio(value=0.5, n=1, method=Method.ONE_SEED), "×0.50 (1 seed)"),
        (Ratio(value=2.5, n=3, method=Method.PAIRED_MEANS, reason="x"), "×2.50 (no interval)"),
        (Ratio(value=None, reason="the baseline is 0: no ratio"), "baseline 0"),
        (Ratio(value=None, reason="both are 0: no ratio"), "both 0"),
        (Ratio(value=None, reason="no value"), "no ratio"),
    ],
)
def test_ratio(found: Ratio, said: str) -> None:
    assert wording.ratio(found) == said


def test_a_full_table_marks_an_interval_that_says_nothing() -> None:
    assert (
        wording.ratio(between(1.36886, 0.00065, 2879), all_of_it=True) == "~×1.37 [0.00065, 2879]"
    )
    assert wording.ratio(between(0.76, 0.74, 0.78), all_of_it=True) == "×0.76 [0.74, 0.78]"


@given(st.floats(1e-4, 1e4), st.floats(1e-4, 1), st.floats(1e-4, 1))
def test_rounding_never_crosses_one(value: float, below: float, above: float) -> None:
    """An interval that tells a difference still tells it as printed."""
    low, high = value * (1 - below * 0.999), value * (1 + above)
    _, shown_low, shown_high = wording.interval(value, low, high)
    if not all(part.replace(".", "").isdigit() for part in (shown_low, shown_high)):
        return  # large ratios carry a prefix
    if high < 1 - 1e-6:
        assert float(shown_high) < 1
    if low > 1 + 1e-6:
        assert float(shown_low) > 1


@given(st.floats(1e-3, 1e15))
def test_number_is_within_half_a_percent(value: float) -> None:
    said, _, prefix = wording.number(value).partition(" ")
    scale = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}[prefix]
    assert math.isclose(float(said) * scale, value, rel_tol=0.00501)


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ((), "no seed"),
        ((4,), "1 seed (4)"),
        ((1, 2, 3), "3 seeds (1..3)"),
        ((1, 2, 4), "3 seeds (1, 2, 4)"),
    ],
)
def test_seeds(seeds: tuple[int, ...], said: str) -> None:
    assert wording.seeds_line(seeds) == said


def names(spec: TrialSpec) -> set[str]:
    return {word.partition("=")[0] for word in wording.settings_line(spec).split("  ")}


def test_settings_of_the_model_are_told_where_it_counted() -> None:
    counted = made.spec()
    modelled = {"pcid", "host_page", "profile"}
    assert modelled <= names(counted)
    facts = replace(counted, counters=Counters.NONE)
    assert names(facts) == names(counted) - modelled
