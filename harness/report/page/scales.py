# SPDX-License-Identifier: GPL-2.0-only
"""Values to places on an axis, and where its ticks are. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

STEPS = (1, 2, 5, 10)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """An axis from ``low`` to ``high``, drawn from ``start`` on over ``length``."""

    low: float
    high: float
    start: float
    length: float
    log: bool = False
    base: float = 1.0  # ticks are round in this unit

    def at(self, value: float) -> float:
        """Where ``value`` is drawn; one beyond an end is drawn there."""
        inside = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.start + share * self.length

    @property
    def ticks(self) -> tuple[float, ...]:
        """Round values between the ends, ends included where they are round."""
        if self.log:
            return _log_ticks(self.low, self.high)
        ends = self.low / self.base, self.high / self.base
        return tuple(tick * self.base for tick in _ticks(*ends))


def linear(values: Iterable[float], start: float, length: float, *, binary: bool = False) -> Scale:
    """From 0 to the next round value above the largest of ``values``; ``binary``: round in powers
    of 1,024, as bytes are told."""
    largest = max(values, default=0)
    base = 1024.0 ** math.floor(math.log(largest, 1024)) if binary and largest >= 1 else 1.0
    high = _round_up(largest / base) * base if largest > 0 else 1
    return Scale(low=0, high=high, start=start, length=length, base=base)


def logarithmic(values: Iterable[float], start: float, length: float) -> Scale:
    """From a round value (1, 2 or 5 times a power of ten) below all of ``values``, of which those
    above 0 count, to one above them."""
    known = [value for value in values if value > 0 and math.isfinite(value)] or [1.0]
    low, high = _log_below(min(known)), _log_above(max(known))
    if low == high:
        low, high = _log_below(low * 0.99), _log_above(high * 1.01)
    return Scale(low=low, high=high, start=start, length=length, log=True)


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (*STEPS, 20) if step * power >= value * (1 - 1e-9))


def _log_below(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return max(step * power for step in STEPS if step * power <= value * (1 + 1e-9))


def _log_above(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return min(step * power for step in STEPS if step * power >= value * (1 - 1e-9))


def _ticks(low: float, high: float) -> tuple[float, ...]:
    step = _round_up((high - low) / 4)
    count = math.floor((high - low) / step + 1e-9)
    return tuple(low + step * i for i in range(count + 1))


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = [10.0**p for p in range(first, last + 1)]
    fine = [s * p for p in powers for s in (1, 2, 5)]
    chosen = [v for v in fine if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]
    if len(chosen) <= 6:
        return tuple(chosen)
    whole = [v for v in powers if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]
    skip = -(-len(whole) // 6)
    return tuple(whole[::skip])
