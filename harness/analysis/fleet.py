# SPDX-License-Identifier: GPL-2.0-only
"""How long a plan would take on many machines: a simulation from what few were measured to take.

    python -m harness.analysis.fleet --trial-s 45.6 --start-s 0.158 --collect-s 0.0067

One coordinator starts a trial wherever a machine is free, and takes its result back: one after
the other, each for a time of its own. Machines are alike and none dies. At the end it collects.
"""

import heapq
import random
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured. Times in seconds."""

    trial_s: float  # of a machine, all of a trial
    spread: float = 0.05  # standard deviation of the logarithm of trial_s
    start_s: float  # of the coordinator, to start a trial and take its result back
    collect_s: float  # of the coordinator, at the end, for each trial


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What came of it. Times in seconds; shares of the time until the last trial's end."""

    machines: int
    trials: int
    seconds: float  # until the run is collected
    coordinator: float  # share that the coordinator was busy
    machine: float  # share that the machines were busy, their mean

    @property
    def per_hour(self) -> float:
        """Trials an hour."""
        return 3600 * self.trials / self.seconds


def simulate(figures: Figures, machines: int, trials: int, seed: int = 1) -> Fleet:
    """``trials`` on ``machines``, one at a time on each. Raises ValueError for less than one."""
    if min(machines, trials) < 1:
        raise ValueError(f"{machines} machines, {trials} trials: at least one of each")
    rng = random.Random(seed)
    free = [0.0] * min(machines, trials)  # a heap: when each machine can have its next trial
    coordinator = ended = worked = 0.0
    for _ in range(trials):
        coordinator = max(coordinator, heapq.heappop(free)) + figures.start_s
        took = figures.trial_s * rng.lognormvariate(0.0, figures.spread)
        worked += took
        heapq.heappush(free, coordinator + took)
        ended = max(ended, coordinator + took)
    return Fleet(
        machines=machines,
        trials=trials,
        seconds=ended + trials * figures.collect_s,
        coordinator=trials * figures.start_s / ended,
        machine=worked / (machines * ended),
    )


def table(fleets: Sequence[Fleet]) -> str:
    """The fleets as Markdown."""
    lines = [
        "| machines | trials | time | trials an hour | machines busy | coordinator busy |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for one in fleets:
        lines.append(
            f"| {one.machines:,} | {one.trials:,} | {one.seconds / 60:,.0f} min "
            f"| {one.per_hour:,.0f} | {one.machine:.0%} | {one.coordinator:.0%} |"
        )
    return "\n".join(lines)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 <= value < float("inf"):
        raise ArgumentTypeError(f"{text} is no time")
    return value


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table for the figures that are given."""
    parser = ArgumentParser(prog="python -m harness.analysis.fleet", description=__doc__)
    parser.add_argument("--trial-s", type=_positive, required=True, help="a trial on a machine")
    parser.add_argument("--spread", type=_positive, default=0.05, help="of its logarithm")
    parser.add_argument("--start-s", type=_positive, required=True, help="coordinator, a trial")
    parser.add_argument("--collect-s", type=_positive, required=True, help="and at the end")
    parser.add_argument("--machines", type=int, nargs="+", default=[1, 2, 10, 100, 1000])
    parser.add_argument("--trials", type=int, default=18_000)
    given = parser.parse_args(argv)
    figures = Figures(
        trial_s=given.trial_s, spread=given.spread, start_s=given.start_s,
        collect_s=given.collect_s,
    )  # fmt: skip
    print("Simulated, not measured:\n")
    print(table([simulate(figures, n, given.trials) for n in given.machines]))


if __name__ == "__main__":
    main()
