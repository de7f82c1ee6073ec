# SPDX-License-Identifier: GPL-2.0-only
"""Outliers and drift, against known cases and by simulation."""

import random
from dataclasses import replace

import pytest

from harness.analysis import compare
from harness.analysis.noise import OUTLIER_SEEDS, drift, outliers
from harness.model.reading import Reading, Source
from harness.model.trial_settings import Mode
from harness.store.loading import LoadedRun
from harness.tests.unit import synthetic_runs as made

EXPERIMENTS = 2000


def test_a_value_far_from_the_others_is_told_by_its_seed() -> None:
    assert outliers({1: 10.0, 2: 11.0, 3: 10.5, 4: 9.5, 5: 40.0, 6: 10.2}) == (5,)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {1: 1.0, 2: 100.0, 3: 1.0, 4: 1.0},  # too few
        dict.fromkeys(range(9), 7.0) | {9: 8.0},  # nearly all equal: what is far?
        {1: 10.0, 2: 11.0, 3: 10.5, 4: 9.5, 5: 10.8},
    ],
)
def test_no_outlier(values: dict[int, float]) -> None:
    assert outliers(values) == ()


def test_few_of_normal_values_are_outliers() -> None:
    rng = random.Random(3)
    found = sum(
        len(outliers({s: rng.gauss(100, 5) for s in range(20)})) for _ in range(EXPERIMENTS)
    )
    assert found / (20 * EXPERIMENTS) < 0.02  # the spread of 20 varies: 0.3 % of very many


def test_drift_is_told_by_its_direction() -> None:
    up, down = drift([1.0, 2.0, 3.5, 3.9, 5.0, 6.1]), drift([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
    assert up is not None and down is not None
    assert (up.tau, down.tau) == pytest.approx((1.0, -1.0))
    assert up.p < 0.01
    assert drift([1.0] * 10) is None
    assert drift([1.0] * (OUTLIER_SEEDS - 1)) is None


def test_no_drift_is_seldom_told() -> None:
    rng = random.Random(5)
    wrong = 0
    for _ in range(300):
        found = drift([rng.gauss(0, 1) for _ in range(10)])
        wrong += found is not None and found.p < 0.05
    assert wrong / 300 <= 0.05 + 0.038


def measured(mode: Mode) -> LoadedRun:
    """Six seeds whose wall time grows from trial to trial, the last one far off."""
    trials = [made.spec("upstream", seed, mode=mode) for seed in range(1, 7)]
    records = []
    for place, trial in enumerate(trials):
        value = 100.0 + place + 50 * (place == 5)
        extra = Reading(name="load.time", value=value, unit="ns", source=Source.WORKLOAD)
        record = made.record(trial)
        records.append(
            replace(record, readings=(extra,), started=f"2026-01-01T00:00:{59 - place:02d}Z")
        )
    return LoadedRun(made.manifest(trials), tuple(records), ())


def test_they_are_data_of_a_comparison() -> None:
    (row,) = compare([measured(Mode.FAST)]).blocks[0].rows
    cell = row.cells["upstream"]
    assert cell.outliers == (6,)
    assert cell.drift is not None
    assert cell.drift.tau == pytest.approx(-1.0), "in the order of time, the other way here"


def test_exact_mode_has_no_drift() -> None:
    (row,) = compare([measured(Mode.EXACT)]).blocks[0].rows
    assert row.cells["upstream"].drift is None
