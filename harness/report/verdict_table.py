# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts of the kernel's own tests as a table of texts."""

from dataclasses import dataclass

from harness.analysis.verdicts import FAIL, NOT_RUN, PASS, SKIP, Verdicts
from harness.report import wording

COUNTED = ((PASS, "passed"), (FAIL, "failed"), (SKIP, "skipped"), (NOT_RUN, "not run"))


@dataclass(frozen=True, kw_only=True)
class VerdictTable:
    """Counts by verdict, then the tests that differ or fail, then what is new in words."""

    columns: tuple[str, ...]  # builds
    counts: tuple[tuple[str, ...], ...]  # title, a number by build
    rows: tuple[tuple[str, ...], ...]  # test, a verdict by build
    left: int  # tests that differ or fail and have no line
    new: tuple[str, ...]  # sentences, one per build with new failures
    fine: tuple[str, ...]  # sentences, one per build without


def verdict_table(verdicts: Verdicts, baseline: str, *, limit: int | None = None) -> VerdictTable:
    """``verdicts`` as texts, new failures first; at most ``limit`` tests have a line."""
    builds = tuple(verdicts.counts)
    fresh = {test for tests in verdicts.new_failures.values() for test in tests}
    rows = sorted(verdicts.rows, key=lambda row: (row.test not in fresh, row.test))
    shown = rows[:limit]
    return VerdictTable(
        columns=builds,
        counts=tuple(
            (title, *(str(verdicts.counts[b].get(word, 0)) for b in builds))
            for word, title in COUNTED
            if any(verdicts.counts[b].get(word) for b in builds)
        ),
        rows=tuple((row.test, *(row.verdicts[b] for b in builds)) for row in shown),
        left=len(rows) - len(shown),
        new=tuple(
            f"{build}: {wording.plural(len(tests), 'new failure')} against {baseline}: "
            f"{', '.join(tests)}"
            for build, tests in verdicts.new_failures.items()
            if tests
        ),
        fine=tuple(
            f"{build}: no new failure against {baseline} in "
            f"{wording.plural(verdicts.total, 'test')}"
            for build, tests in verdicts.new_failures.items()
            if not tests
        ),
    )
