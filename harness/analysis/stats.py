# SPDX-License-Identifier: GPL-2.0-only
"""Statistics over seeds: summaries, and ratios to a baseline with exact intervals.

The seed is the unit of replication. All functions are pure. Intervals hold 95 % and are
tested by simulated coverage and against scipy's own routines.
"""

import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import scipy.special  # type: ignore[import-untyped]

CONFIDENCE = 0.95
MATERIAL = 1.25
"""A change by this factor, up or down, must be outside an interval that shows no difference."""
SPAN = 10.0
"""An interval whose upper end is more than this many times the lower one gives no size."""
POWER = 0.8
"""With this probability the smallest effect is seen that a run is said to be able to see."""
MAX_SEEDS = 100
"""More seeds than these are not counted out: "more than 100"."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Values of one build over seeds, in the reading's unit."""

    n: int
    median: float
    mean: float
    low: float  # smallest
    high: float  # largest
    q1: float | None = None  # quartiles, from four values on
    q3: float | None = None

    def times(self, scale: float) -> "Summary":
        """The same in a unit that is smaller by ``scale``."""
        if scale == 1:
            return self
        return replace(
            self,
            **{name: value * scale for name, value in vars(self).items() if _scales(name, value)},
        )


def _scales(name: str, value: float | None) -> bool:
    return name != "n" and value is not None


def summarise(values: Sequence[float]) -> Summary | None:
    """Summary of ``values``; None when there are none."""
    if not values:
        return None
    q1 = q3 = None
    if len(values) >= 4:
        q1, _, q3 = statistics.quantiles(values, n=4, method="inclusive")
    return Summary(
        n=len(values),
        median=statistics.median(values),
        mean=math.fsum(values) / len(values),
        low=min(values),
        high=max(values),
        q1=q1,
        q3=q3,
    )


class Verdict(StrEnum):
    """What a ratio and its interval allow to say."""

    LOWER = "lower"
    HIGHER = "higher"
    NO_DIFFERENCE = "no_difference"  # the interval holds 1 and no MATERIAL change
    UNDECIDED = "undecided"  # the interval holds 1 and a MATERIAL change: more seeds needed
    ONE_SEED = "one_seed"  # a ratio without an interval
    UNDEFINED = "undefined"  # no ratio


class Method(StrEnum):
    """How a ratio and its interval were made."""

    PAIRED_LOG = "geometric mean of the ratios by seed, Student's t on their logarithms"
    UNPAIRED_LOG = "ratio of geometric means, Welch's t on the logarithms, seeds not paired"
    PAIRED_MEANS = "ratio of the means over the same seeds, Fieller's interval"
    CONSTANT = "the same ratio at every seed"
    ONE_SEED = "one seed"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A build against the baseline. ``value`` is None when there is none; see ``reason``."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0  # pairs of seeds, or the smaller number of seeds when not paired
    method: Method = Method.NONE
    reason: str = ""  # why there is no ratio, or no interval
    log_sd: float | None = (
        None  # standard deviation of the log ratio over seeds, where there is one
    )
    p: float | None = None  # that a true ratio of 1 gives one as far from 1, or further
    among: int = 1  # comparisons that were made together
    adjusted: float | None = None  # p, corrected for these; None: made alone

    @property
    def verdict(self) -> Verdict:
        if self.value is None:
            return Verdict.UNDEFINED
        if self.low is None or self.high is None:
            return Verdict.ONE_SEED if self.n == 1 else Verdict.UNDEFINED
        if self.high < 1 or self.low > 1:
            if self.chance:
                return Verdict.UNDECIDED
            return Verdict.LOWER if self.high < 1 else Verdict.HIGHER
        if self.low * MATERIAL > 1 and self.high < MATERIAL:
            return Verdict.NO_DIFFERENCE
        return Verdict.UNDECIDED

    @property
    def chance(self) -> bool:
        """Its own interval leaves 1 out, but among so many comparisons one may do so by chance."""
        if self.low is None or self.high is None or self.low <= 1 <= self.high:
            return False
        return self.adjusted is not None and self.adjusted > 1 - CONFIDENCE

    @property
    def smallest(self) -> float | None:
        """The smallest change, as a factor above 1, whose interval would have left 1 out with
        the probability POWER; None where the spread over seeds is not known."""
        if self.method is not Method.PAIRED_LOG or self.log_sd is None or self.n < 2:
            return None
        error = self.log_sd / math.sqrt(self.n)
        return math.exp((_t(self.n - 1) + _power(self.n - 1)) * error)

    @property
    def vague(self) -> bool:
        """The interval says nothing that a reader could use.

        It allows a material decrease and a material increase, or it spans more than ``SPAN``.
        One that spans so much, but on one side of 1 and at least ``SPAN`` away from it, does say
        something: at least tenfold.
        """
        if self.low is None or self.high is None or self.method is Method.CONSTANT:
            return False
        if self.low * MATERIAL <= 1 and self.high >= MATERIAL:
            return True
        return self.high > SPAN * self.low and self.high * SPAN > 1 and self.low < SPAN

    @property
    def seeds_needed(self) -> int | None:
        """Seeds, in all, that can be expected to decide; None for more than ``MAX_SEEDS``.

        Meant for ratios that are vague or undecided and have a ``log_sd``: without one (zeros
        among the values) nobody can tell.
        """
        if self.log_sd is None or self.n < 2:
            return None
        return seeds_to_settle(self.log_sd / _c4(self.n), more_than=self.n)


def ratio(values: Mapping[int, float], base: Mapping[int, float]) -> Ratio:
    """Ratio of ``values`` to ``base``, both seed -> value (not negative), with its interval.

    Paired by seed where seeds match; seeds of one side only are left out then. Without a
    common seed the two sides are compared unpaired. Zeros: see ``_paired``.
    """
    common = sorted(values.keys() & base.keys())
    if common:
        return _paired([values[s] for s in common], [base[s] for s in common])
    if not values or not base:
        return Ratio(value=None, reason="no value" if not values else "the baseline has no value")
    return _unpaired(list(values.values()), list(base.values()))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How much more a build has than the baseline, in the reading's unit."""

    value: float  # mean over pairs of seeds
    low: float | None = None  # None: one pair
    high: float | None = None
    n: int


def difference(values: Mapping[int, float], base: Mapping[int, float]) -> Difference | None:
    """Mean of ``values`` less ``base``, both seed -> value, over the seeds that both have.

    Student's t on the differences by seed. None without a common seed.
    """
    common = sorted(values.keys() & base.keys())
    if not common:
        return None
    each = [values[seed] - base[seed] for seed in common]
    n, mean = len(each), math.fsum(each) / len(each)
    if n == 1:
        return Difference(value=mean, n=1)
    half = _t(n - 1) * statistics.stdev(each) / math.sqrt(n)
    return Difference(value=mean, low=mean - half, high=mean + half, n=n)


def _paired(values: Sequence[float], base: Sequence[float]) -> Ratio:
    n = len(values)
    if not any(base):
        both = "both are 0" if not any(values) else "the baseline is 0"
        return Ratio(value=None, n=n, reason=f"{both}: no ratio")
    if n == 1:
        return Ratio(
            value=values[0] / base[0], n=1, method=Method.ONE_SEED, reason="one seed: no interval"
        )
    if not any(values) and all(base):
        return Ratio(value=0.0, low=0.0, high=0.0, n=n, method=Method.CONSTANT, p=0.0)
    if not all(values) or not all(base):
        return _fieller(values, base)
    logs = [math.log(y / x) for y, x in zip(values, base, strict=True)]
    mean = math.fsum(logs) / n
    sd = statistics.stdev(logs)
    half = _t(n - 1) * sd / math.sqrt(n)
    if half < 1e-12:
        value = math.exp(mean)
        return Ratio(
            value=value, low=value, high=value, n=n, method=Method.CONSTANT, p=float(value == 1)
        )
    return Ratio(
        value=math.exp(mean),
        low=math.exp(mean - half),
        high=math.exp(mean + half),
        n=n,
        method=Method.PAIRED_LOG,
        log_sd=sd,
        p=_two_sided(mean, sd / math.sqrt(n), n - 1),
    )


def _fieller(values: Sequence[float], base: Sequence[float]) -> Ratio:
    """Ratio of means, for pairs with zeros among them: logarithms do not exist there.

    Fieller, Supplement to J. R. Stat. Soc. B 16 (1954): the ratios R for which
    mean(values - R base) is not told from 0. Not bounded when the baseline's own mean is
    not told from 0; then there is a ratio and no interval.
    """
    n = len(values)
    y, x = math.fsum(values) / n, math.fsum(base) / n
    q = _t(n - 1) ** 2
    syy = statistics.variance(values) / n
    sxx = statistics.variance(base) / n
    sxy = statistics.covariance(values, base) / n
    a, b, c = x * x - q * sxx, x * y - q * sxy, y * y - q * syy
    if a <= 0:
        return Ratio(
            value=y / x,
            n=n,
            method=Method.PAIRED_MEANS,
            reason="no interval: the baseline varies around 0",
        )
    root = math.sqrt(max(0.0, b * b - a * c))
    return Ratio(
        value=y / x,
        low=max(0.0, (b - root) / a),
        high=(b + root) / a,
        n=n,
        method=Method.PAIRED_MEANS,
        p=_two_sided(y - x, math.sqrt(max(0.0, syy + sxx - 2 * sxy)), n - 1),
    )


def _unpaired(values: Sequence[float], base: Sequence[float]) -> Ratio:
    n = min(len(values), len(base))
    if not any(base):
        both = "both are 0" if not any(values) else "the baseline is 0"
        return Ratio(value=None, n=n, reason=f"{both}: no ratio")
    if not all(values) or not all(base):
        return Ratio(
            value=(math.fsum(values) / len(values)) / (math.fsum(base) / len(base)),
            n=n,
            method=Method.UNPAIRED_LOG,
            reason="no interval: zeros among seeds that are not paired",
        )
    logs_y, logs_x = [math.log(v) for v in values], [math.log(v) for v in base]
    difference = math.fsum(logs_y) / len(logs_y) - math.fsum(logs_x) / len(logs_x)
    if n == 1:
        return Ratio(
            value=math.exp(difference),
            n=1,
            method=Method.ONE_SEED,
            reason="one seed: no interval",
        )
    variances = statistics.variance(logs_y), statistics.variance(logs_x)
    vy, vx = variances[0] / len(logs_y), variances[1] / len(logs_x)
    if vy + vx < 1e-24:
        value = math.exp(difference)
        return Ratio(
            value=value, low=value, high=value, n=n, method=Method.CONSTANT, p=float(value == 1)
        )
    freedom = (vy + vx) ** 2 / (vy**2 / (len(logs_y) - 1) + vx**2 / (len(logs_x) - 1))
    half = _t(freedom) * math.sqrt(vy + vx)
    return Ratio(
        value=math.exp(difference),
        low=math.exp(difference - half),
        high=math.exp(difference + half),
        n=n,
        method=Method.UNPAIRED_LOG,
        log_sd=math.sqrt(sum(variances)),
        p=_two_sided(difference, math.sqrt(vy + vx), freedom),
    )


def seeds_to_settle(
    log_sd: float, *, half_width: float = math.log(MATERIAL), more_than: int = 1
) -> int | None:
    """The fewest seeds for which the expected interval is narrow enough to show a material change.

    ``log_sd`` is the true standard deviation of the log ratio over seeds. The half-width of
    Student's interval, on the log scale, must be expected to fall below ``half_width``. Only
    numbers above ``more_than`` are tried (at least 2 make an interval); None when more than
    ``MAX_SEEDS`` are needed.
    """
    tried = range(max(2, more_than + 1), MAX_SEEDS + 1)
    return next((n for n in tried if expected_half_width(log_sd, n) < half_width), None)


def expected_half_width(log_sd: float, n: int) -> float:
    """Half-width that the interval of ``n`` seeds has on average, on the log scale."""
    return _t(n - 1) * _c4(n) * log_sd / math.sqrt(n)


def _c4(n: int) -> float:
    """Mean of the standard deviation of ``n`` normal values whose true one is 1."""
    return math.sqrt(2 / (n - 1)) * math.exp(math.lgamma(n / 2) - math.lgamma((n - 1) / 2))


def _two_sided(value: float, error: float, freedom: float) -> float:
    """Student's two-sided p of ``value`` with the standard error ``error``."""
    if error == 0:
        return float(value == 0)
    return 2 * float(scipy.special.stdtr(freedom, -abs(value) / error))


@functools.lru_cache(maxsize=256)
def _t(freedom: float) -> float:
    """Two-sided 95 % quantile of Student's t."""
    return float(scipy.special.stdtrit(freedom, (1 + CONFIDENCE) / 2))


@functools.lru_cache(maxsize=256)
def _power(freedom: float) -> float:
    """One-sided quantile of Student's t for POWER."""
    return float(scipy.special.stdtrit(freedom, POWER))
