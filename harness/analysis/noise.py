# SPDX-License-Identifier: GPL-2.0-only
"""Values that are far from the others, and values that go with the time. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OUTLIER = 3.0
"""A value further from the median than so many scaled deviations is an outlier."""
OUTLIER_SEEDS = 5
MAD_SCALE = 1.4826
"""Makes the median absolute deviation of normal values their standard deviation."""


def outliers(values: Mapping[int, float]) -> tuple[int, ...]:
    """The seeds whose value is far from the median: over OUTLIER times the scaled median absolute
    deviation (Hampel, J. Am. Stat. Assoc. 69, 1974).

    None of fewer than OUTLIER_SEEDS seeds, and none where more than half read the same: then
    nobody can say what far is.
    """
    if len(values) < OUTLIER_SEEDS:
        return ()
    middle = statistics.median(values.values())
    spread = statistics.median(abs(value - middle) for value in values.values())
    if spread == 0:
        return ()
    limit = OUTLIER * MAD_SCALE * spread
    return tuple(sorted(seed for seed, value in values.items() if abs(value - middle) > limit))


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Whether values go up or down with the order in which they were measured: Kendall's tau,
    and the probability of one as far from 0 where there is no drift."""

    tau: float
    p: float


def drift(in_order: Sequence[float]) -> Drift | None:
    """The drift of values in the order of their trials; None of fewer than OUTLIER_SEEDS, and
    where all are equal."""
    if len(in_order) < OUTLIER_SEEDS or len(set(in_order)) == 1:
        return None
    import scipy.stats  # type: ignore[import-untyped]  # a second of start-up, for measured modes

    found = scipy.stats.kendalltau(range(len(in_order)), in_order)
    return Drift(tau=float(found.statistic), p=float(found.pvalue))
