# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts of the kernel's own tests, by build: which build fails what another passes."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

PASS, FAIL, SKIP, NOT_RUN = "pass", "fail", "skip", "not run"
_WORST = (FAIL, NOT_RUN, PASS, SKIP)
"""Of several runs of one test on one build, the first of these is told."""


@dataclass(frozen=True, kw_only=True)
class TestRow:
    """One test whose verdict is not the same on all builds, or that fails on one."""

    __test__ = False  # no test of pytest's

    test: str
    verdicts: Mapping[str, str]  # by build


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """All tests of one block."""

    counts: Mapping[str, Mapping[str, int]]  # build -> verdict -> tests
    rows: tuple[TestRow, ...]  # the tests that are worth a line
    new_failures: Mapping[str, tuple[str, ...]]  # build -> what fails there, not on the baseline

    @property
    def total(self) -> int:
        """How many tests any build ran."""
        return max((sum(c.values()) for c in self.counts.values()), default=0)


def gather(
    trials: Iterable[tuple[str, Mapping[str, str]]], builds: Sequence[str], baseline: str
) -> Verdicts | None:
    """The verdicts of trials, given as (build, verdicts); None when no trial has any.

    A test that a build did not run, while another did, is ``not run`` there.
    """
    by_build: dict[str, dict[str, str]] = {build: {} for build in builds}
    judged: set[str] = set()
    for build, verdicts in trials:
        judged |= {build} if verdicts else set()
        for test, word in verdicts.items():
            known = by_build[build].get(test, word)
            by_build[build][test] = min(known, word, key=_WORST.index)
    tests = sorted({test for verdicts in by_build.values() for test in verdicts})
    if not tests:
        return None
    shown = [build for build in builds if build in judged]
    table = {b: {t: by_build[b].get(t, NOT_RUN) for t in tests} for b in shown}
    rows = [TestRow(test=t, verdicts={b: table[b][t] for b in shown}) for t in tests]
    return Verdicts(
        counts={b: dict(Counter(table[b].values())) for b in shown},
        rows=tuple(
            row
            for row in rows
            if len(set(row.verdicts.values())) > 1 or FAIL in row.verdicts.values()
        ),
        new_failures={
            b: new_failures(table[b], table[baseline])
            for b in shown
            if b != baseline and baseline in table
        },
    )


def new_failures(verdicts: Mapping[str, str], base: Mapping[str, str]) -> tuple[str, ...]:
    """The tests that fail with ``verdicts`` and do not fail on the base.

    One that the base never came to says nothing about these; one that only we did not come
    to, though the base did, is a failure.
    """
    return tuple(
        test
        for test, word in verdicts.items()
        if (word == FAIL and base.get(test, NOT_RUN) in (PASS, SKIP))
        or (word == NOT_RUN and base.get(test) == PASS)
    )
