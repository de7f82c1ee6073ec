# SPDX-License-Identifier: GPL-2.0-only
"""The program that began a run is found in the history, set up and asked to resume it.

The projects here are stand-ins: real histories whose `make setup` makes a program that writes
down how it was called.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import pipeline, proc
from harness.cli import cli
from harness.errors import InfrastructureError, UserError
from harness.pipeline import RunRequest, earlier_program, planning
from harness.pipeline.progress import Progress

MAKEFILE = """\
setup:
\tmkdir -p .venv/bin
\tcp program .venv/bin/execmem-bench
"""


def git(project: Path, *words: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@invalid")
    return proc.run(["git", "-C", str(project), *who, *words]).stdout.strip()


def commit(project: Path, name: str, text: str, mode: int = 0o644) -> str:
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    git(project, "add", name)
    git(project, "commit", "-q", "-m", name)
    return git(project, "rev-parse", "--short=12", "HEAD")


def program(project: Path, body: str) -> str:
    return commit(project, "program", f"#!/bin/sh\n{body}\n", 0o755)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q")
    commit(folder, "Makefile", MAKEFILE)
    commit(folder, "harness/agent.py", "one")
    return folder


def test_only_a_program_with_other_files_that_decide_is_needed(project: Path) -> None:
    began = git(project, "rev-parse", "--short=12", "HEAD")
    assert not earlier_program.needed(began, project)
    commit(project, "README.md", "words")
    commit(project, "harness/README.md", "words")
    commit(project, "harness/tests/test.py", "a test")
    assert not earlier_program.needed(began, project)
    (project / "harness/agent.py").write_text("two")
    assert earlier_program.needed(began, project), "before it is committed, too"
    commit(project, "harness/agent.py", "two")
    assert earlier_program.needed(began, project)


@pytest.mark.parametrize("unknown", ["", "0123456789ab", "0123456789ab-dirty"])
def test_what_no_commit_has_cannot_be_set_up(project: Path, unknown: str) -> None:
    assert not earlier_program.needed(unknown, project)


def test_a_machine_without_git_has_no_history(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = git(project, "rev-parse", "HEAD")
    (project / "harness/agent.py").write_text("two")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not earlier_program.needed(began, project)


def test_it_is_called_with_the_run_and_says_its_own(project: Path, tmp_path: Path) -> None:
    """The later program is another; the modules that this process imports are not its own."""
    calls = tmp_path / "calls"
    began = program(project, f'echo "$PYTHONPATH|$*" >>{calls}')
    program(project, "exit 99")
    run = tmp_path / "run"
    quiet = Progress(quiet=True)
    options = ["--trace"]
    assert earlier_program.resume(
        run, began, tmp_path, quiet, options=options, jobs=2, project=project
    )
    assert calls.read_text() == f"|run --resume {run} --trace --jobs 2 --quiet\n"


@pytest.mark.parametrize(("status", "ended"), [(4, True), (130, False)])
def test_failed_trials_and_interruption_are_ends_of_a_run(
    project: Path, tmp_path: Path, status: int, ended: bool
) -> None:
    began = program(project, f"exit {status}")
    done = earlier_program.resume(tmp_path, began, tmp_path, Progress(quiet=True), project=project)
    assert done is ended


@pytest.mark.parametrize(("status", "error"), [(2, UserError), (3, InfrastructureError)])
def test_what_it_refuses_is_refused(
    project: Path, tmp_path: Path, status: int, error: type[Exception]
) -> None:
    began = program(project, f"exit {status}")
    with pytest.raises(error, match=f"the program of {began}, .* ended with {status}"):
        earlier_program.resume(tmp_path, began, tmp_path, Progress(quiet=True), project=project)


def test_one_that_cannot_be_set_up_is_said(project: Path, tmp_path: Path) -> None:
    began = commit(project, "Makefile", "setup:\n\techo no such package; false\n")
    with pytest.raises(proc.CommandError, match="no such package"):
        earlier_program.resume(tmp_path, began, tmp_path, Progress(quiet=True), project=project)


@pytest.mark.parametrize("seeds", ["2,5", "3", "7-7"])
def test_options_are_handed_on_as_they_were_given(
    monkeypatch: pytest.MonkeyPatch, seeds: str
) -> None:
    """The words make the same request again."""
    asked = [
        *("-k", "upstream,a=b c", "--suite", "smoke", "--pti", "both", "--seeds", seeds),
        *("--mode", "fast", "--no-kaslr", "--data-side", "-p", "instances=3", "--trace"),
        *("-p", "placement=spread", "--baseline", "upstream", "-w", "churn"),
    ]
    requests: list[RunRequest] = []

    def kept(request: RunRequest, _: Progress) -> None:
        requests.append(request)
        raise UserError("not run", "")

    monkeypatch.setattr(pipeline, "run", kept)
    CliRunner().invoke(cli, ["run", *asked])
    CliRunner().invoke(cli, ["run", *planning.as_options(requests[0])])
    assert requests[0] == requests[1]
    assert requests[0].settings["pti"] == ("on", "off")
    assert planning.as_options(RunRequest(resume="x", jobs=3)) == []
