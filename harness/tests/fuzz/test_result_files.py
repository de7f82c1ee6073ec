# SPDX-License-Identifier: GPL-2.0-only
"""A million damaged manifests and records, and whole runs that are put out in every form."""

from pathlib import Path

import pytest

from harness.tests.fuzz import result_file_cases as cases
from harness.tests.fuzz.outcome import both_ends_seen

pytestmark = pytest.mark.long
DOCUMENTS = 1_000_000
RUNS = 3_000


def test_documents_are_read_or_refused_in_one_line() -> None:
    both_ends_seen(cases.documents(1, DOCUMENTS), DOCUMENTS)


def test_whole_runs_are_put_out_or_refused_in_one_line(tmp_path: Path) -> None:
    both_ends_seen(cases.whole_runs(tmp_path)(1, RUNS), RUNS)
