# SPDX-License-Identifier: GPL-2.0-only
"""results/README.md names what records hold (its table of readings is test_metrics'); README.md
shows what a command prints of the run that comes with the program."""

import dataclasses
import io

from rich.console import Console

from harness.analysis.compare import compare
from harness.analysis.history import history
from harness.model.reading import Source, Status
from harness.model.records import Manifest, TrialRecord, TrialStatus
from harness.paths import PROJECT, RESULTS
from harness.report import terminal
from harness.report.page import render
from harness.store import load_run
from harness.store.loading import REFERENCE

README = (RESULTS / "README.md").read_text(encoding="utf-8")


def test_every_field_is_described() -> None:
    for cls in (Manifest, TrialRecord):
        for field in dataclasses.fields(cls):
            assert f"`{field.name}" in README or f'"{field.name}"' in README, field.name


def test_every_status_and_source_is_described() -> None:
    for value in (*Status, *Source):
        assert f"`{value.value}`" in README


def test_the_sample_is_what_compare_prints_of_the_run_that_comes_with_the_program() -> None:
    (folder,) = (RESULTS / REFERENCE).iterdir()
    readme = (PROJECT / "README.md").read_text()
    assert f"execmem-bench compare {folder.name}" in readme
    out = io.StringIO()
    terminal.render(compare([load_run(folder)]), Console(file=out, width=100))
    printed = {line.rstrip() for line in out.getvalue().splitlines()}
    begin = readme.index("What `make bench` prints fits a screen")
    sample = readme[begin : readme.index("then the other builds", begin)]
    lines = [line[4:] for line in sample.splitlines() if line.startswith("    ")]
    assert len(lines) > 25
    assert [line for line in lines if line and line not in printed] == []


def test_the_run_that_comes_with_the_program_is_whole() -> None:
    (folder,) = (RESULTS / REFERENCE).iterdir()
    run = load_run(folder)
    assert run.problems == ()
    assert {record.status for record in run.records} == {TrialStatus.OK}
    assert all(record.text_pages is not None for record in run.records)
    assert history([run]).last.trials == len(run.manifest.trials)
    assert "<h2>What does the text of many small BPF programs" in render(
        compare([run]), run.manifest.questions
    )
