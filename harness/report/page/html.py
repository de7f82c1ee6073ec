# SPDX-License-Identifier: GPL-2.0-only
"""The page as one HTML file: no script, no network, the same bytes each time."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.analysis.comparison import Comparison
from harness.report.history_text import HistoryLine
from harness.report.page import shapes
from harness.report.page.page_content import page

TEMPLATES = Path(__file__).parent / "templates"
SITE_TEMPLATES = Path(__file__).parents[1] / "site" / "templates"


@cache
def environment() -> Environment:
    """The templates; whatever is put into them is escaped."""
    made = Environment(
        loader=FileSystemLoader([TEMPLATES, SITE_TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["n"] = shapes.number
    made.globals.update(marks=shapes.MARKS, kind=lambda shape: type(shape).__name__.lower())
    return made


def style_sheet() -> str:
    """The style of every page."""
    return (TEMPLATES / "page.css").read_text(encoding="utf-8")


def render(
    comparison: Comparison,
    questions: Mapping[str, str],
    *,
    news: Sequence[HistoryLine] = (),
    home: str = "",
) -> str:
    """``comparison`` as an HTML document; ``questions`` by workload.

    ``news``: what changed against the night before; ``home``: the page of all nights.
    """
    return (
        environment()
        .get_template("page.html.j2")
        .render(page=page(comparison, questions), css=style_sheet(), news=news, home=home)
    )
