# SPDX-License-Identifier: GPL-2.0-only
"""The history of a folder of runs as files: a site, and what apache-otava reads."""

from pathlib import Path

from harness.analysis.compare import compare
from harness.errors import UserError
from harness.pipeline.history_view import FolderHistory
from harness.pipeline.views import questions_of
from harness.report import otava, site
from harness.report.site.site_html import INDEX, night_file
from harness.report.site.trends import rows
from harness.store.loading import RECORDS


def write_site(shown: FolderHistory, root: Path, to: Path) -> Path:
    """Write the site of the runs in ``root`` to the folder ``to``; the front page.

    The page of a night is written once, and again when its run has grown since.
    Raises UserError where the folder cannot be written.
    """
    comparisons = [compare([run]) for run in shown.runs]
    try:
        for run, compared in zip(shown.runs, comparisons, strict=True):
            page = to / night_file(run.manifest.run)
            records = root / run.manifest.run / RECORDS
            if not _up_to_date(page, records):
                page.parent.mkdir(parents=True, exist_ok=True)
                text = site.night(shown.history, compared, questions_of(compared))
                page.write_text(text, encoding="utf-8")
        index = to / INDEX
        text = site.front(shown.history, comparisons, shown.problems)
        index.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{to}: the site cannot be written: {error.strerror}", "choose another folder"
        ) from error
    return index


def write_otava(shown: FolderHistory, to: Path) -> Path:
    """Write what apache-otava reads to the folder ``to``; its configuration.

    Raises UserError where the folder cannot be written.
    """
    trends = rows([compare([run]) for run in shown.runs], shown.history)
    try:
        to.mkdir(parents=True, exist_ok=True)
        for name, text in otava.files(shown.history, trends).items():
            (to / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{to}: cannot be written: {error.strerror}", "choose another folder"
        ) from error
    return to / otava.CONFIG


def _up_to_date(page: Path, records: Path) -> bool:
    """Whether ``page`` holds all of ``records``."""
    if not page.is_file() or not records.is_file():
        return False
    return page.stat().st_mtime >= records.stat().st_mtime
