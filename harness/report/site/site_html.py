# SPDX-License-Identifier: GPL-2.0-only
"""The site's pages as HTML, in the look of a report."""

from collections.abc import Mapping, Sequence

from harness.analysis.comparison import Comparison
from harness.analysis.history import History
from harness.report import wording
from harness.report.history_text import headline, lines, of_night
from harness.report.page.html import environment, style_sheet
from harness.report.page.html import render as report_page
from harness.report.site.trends import TrendRow, rows

INDEX = "index.html"


def night_file(run: str) -> str:
    """The page of a night, from the front page's folder."""
    return f"nights/{run}.html"


def front(given: History, comparisons: Sequence[Comparison], problems: Sequence[str]) -> str:
    """The front page; ``comparisons`` of single runs, in the order of the nights."""
    tables: dict[str, list[TrendRow]] = {}
    for row in rows(comparisons, given):
        key = row.key
        tables.setdefault(f"{key.workload}, pti={key.pti}", []).append(row)
    nights = [(one, night_file(one.run), _words(given, one.run)) for one in reversed(given.nights)]
    return (
        environment()
        .get_template("front.html.j2")
        .render(
            css=style_sheet(),
            given=given,
            page_of=night_file,
            headline=headline(given),
            tables=tables,
            changes=tuple(lines(given, rest="see the page of the night"))[2:],
            nights=nights,
            problems=problems,
        )
    )


def night(given: History, comparison: Comparison, questions: Mapping[str, str]) -> str:
    """The page of one night: what changed, then its report."""
    (run,) = comparison.runs
    return report_page(
        comparison,
        questions,
        news=tuple(of_night(given, run)),
        home=f"../{INDEX}",
    )


def _words(given: History, run: str) -> str:
    steps = given.of(run)
    if not steps:
        return "nothing changed"
    count = sum(len(step.changes) for step in steps)
    builds = ", ".join(dict.fromkeys(step.build for step in steps))
    return f"{wording.plural(count, 'reading')} of {builds} changed"
