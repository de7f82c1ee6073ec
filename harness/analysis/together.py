# SPDX-License-Identifier: GPL-2.0-only
"""Comparisons that are read together. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from harness.analysis.stats import Ratio


def holm(given: Sequence[float]) -> tuple[float, ...]:
    """The p values ``given``, corrected for being read together, in their order.

    Holm, Scand. J. Stat. 6 (1979): whatever their dependence, the probability of one false
    difference among all is at most the level at which the corrected ones are read.
    """
    order = sorted(range(len(given)), key=given.__getitem__)
    out = [0.0] * len(given)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(given) - rank) * given[place]))
        out[place] = largest
    return tuple(out)


def together(ratios: Sequence[Ratio]) -> tuple[Ratio, ...]:
    """``ratios`` as comparisons that are read together; those without a p stay as they are."""
    tested = [one.p for one in ratios if one.p is not None]
    corrected = iter(holm(tested))
    return tuple(
        one if one.p is None else replace(one, among=len(tested), adjusted=next(corrected))
        for one in ratios
    )
