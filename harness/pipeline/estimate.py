# SPDX-License-Identifier: GPL-2.0-only
"""How long a step still takes, from what has ended. Before anything has: not known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MINUTE, HOUR = 60, 3600
ENOUGH_STEPS, ENOUGH_S = 20, 10.0
"""A build's rate says nothing before this many steps and seconds."""


@dataclass(frozen=True, kw_only=True)
class Running:
    """A trial that runs. ``kind``: trials of one kind take about equally long."""

    kind: str
    seconds: float  # since it began


def trials_seconds(
    ended: Mapping[str, Sequence[float]],
    running: Sequence[Running],
    waiting: Iterable[str],
    jobs: int,
) -> float | None:
    """Wall seconds until the last trial ends; None before the first one has ended.

    ``ended``: wall times by kind; ``waiting``: the kinds of those that have not begun. A kind
    of which none has ended is taken for as long as the others on average.
    """
    times = [seconds for kind in ended.values() for seconds in kind]
    if not times:
        return None
    overall = sum(times) / len(times)

    def usual(kind: str) -> float:
        known = ended.get(kind, ())
        return sum(known) / len(known) if known else overall

    parts = [max(0.0, usual(trial.kind) - trial.seconds) for trial in running]
    longest = max(parts, default=0.0)
    parts += [usual(kind) for kind in waiting]
    return max(longest, sum(parts) / max(1, min(jobs, len(parts))))


def build_seconds(done: int, expected: int | None, seconds: float) -> float | None:
    """Wall seconds until a build ends that took ``seconds`` for ``done`` steps of ``expected``;
    None where that many are not known, or too few are done."""
    if expected is None or done < ENOUGH_STEPS or seconds < ENOUGH_S or done >= expected:
        return None
    return seconds / done * (expected - done)


def in_words(seconds: float | None) -> str:
    """An estimate as text, no more exact than it is; "" for none."""
    if seconds is None:
        return ""
    if seconds < MINUTE:
        return "under a minute"
    if seconds < HOUR:
        return f"about {round(seconds / MINUTE)} min"
    hours, minutes = divmod(round(seconds / MINUTE), 60)
    return f"about {hours} h {minutes} min"
