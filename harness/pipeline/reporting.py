# SPDX-License-Identifier: GPL-2.0-only
"""Reports of saved runs as files."""

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import UserError
from harness.paths import RESULTS
from harness.pipeline.views import comparison, questions_of
from harness.report.folded import folded
from harness.report.page import render
from harness.report.plain_text import commit_message, mail
from harness.store import find_run

FILES = {
    "html": "report.html",
    "folded": "report.folded",
    "mail": "report.txt",
    "commit": "report.commit",
}
"""What each format's file is called in the folder of the first run."""
STANDARD_OUTPUT = "-"


def report(
    runs: Sequence[str],
    *,
    form: str = "html",
    root: Path = RESULTS,
    baseline: str | None = None,
    allow: Sequence[str] = (),
    to: str | None = None,
) -> Path | None:
    """Write the comparison of ``runs`` to the file ``to`` (None: beside the first run); the
    file, or None where ``to`` is standard output.

    Raises UserError where runs may not be compared or the file cannot be written.
    """
    compared = comparison(runs, root, baseline, allow)
    questions = questions_of(compared)
    makers: dict[str, Callable[[], str]] = {
        "html": lambda: render(compared, questions),
        "folded": lambda: folded(compared),
        "mail": lambda: mail(compared, questions),
        "commit": lambda: commit_message(compared, questions),
    }
    text = makers[form]()
    if to == STANDARD_OUTPUT:
        print(text, end="")
        return None
    path = Path(to) if to else find_run(runs[0], root) / FILES[form]
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written: {error.strerror}", "choose another file with --to"
        ) from error
    return path
