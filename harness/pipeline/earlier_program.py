# SPDX-License-Identifier: GPL-2.0-only
"""An interrupted run is finished by the program that began it, out of this checkout's history.

One run is of one program: trials of two agents or two models would not belong together.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

from harness import proc
from harness.errors import (
    EXIT_INTERRUPTED,
    EXIT_TRIAL_FAILED,
    InfrastructureError,
    PrerequisiteError,
    UserError,
)
from harness.paths import PROJECT
from harness.pipeline.interruptible import interruptible
from harness.pipeline.progress import Progress

SETUP_TIMEOUT_S = 1800
"""System packages and the Python environment, on a slow line."""


DECIDES = ("harness", "configs", "workloads", "requirements.txt", ":!harness/tests", ":!*.md")
"""Where what decides a trial is, as git takes it."""


def needed(commit: str, project: Path = PROJECT) -> bool:
    """Whether ``commit``, as a manifest has it, is in the history of ``project``, all of it, and
    other files decide a trial there than here."""
    git = ["git", "-C", str(project)]
    try:
        if not commit or proc.run([*git, "cat-file", "-e", commit], check=False).returncode:
            return False
        diff = [*git, "diff", "--quiet", commit, "--", *DECIDES]
        return proc.run(diff, check=False).returncode == 1
    except PrerequisiteError:  # no git: no history
        return False


def resume(
    run: Path,
    commit: str,
    folder: Path,
    progress: Progress,
    *,
    options: Sequence[str] = (),
    jobs: int | None = None,
    project: Path = PROJECT,
) -> bool:
    """Resume the run in the folder ``run`` with the program of ``commit``; whether it came to an
    end. What it says goes to standard error; ``folder`` gets its checkout. ``options`` are those
    that were given beside --resume, which programs took that could not tell them from a manifest.

    Raises UserError where it refuses too, InfrastructureError where it cannot be set up.
    """
    checkout = folder / "program"
    proc.run(["git", "clone", "--quiet", "--no-checkout", str(project), str(checkout)])
    proc.run(["git", "-C", str(checkout), "checkout", "--quiet", "--detach", commit])
    setup = ["make", "--no-print-directory", "-C", str(checkout), "setup"]
    proc.run(setup, timeout=SETUP_TIMEOUT_S, on_line=progress.say)
    command = [str(checkout / ".venv/bin/execmem-bench"), "run", "--resume", str(run)]
    command += options
    command += ["--jobs", str(jobs)] if jobs else []
    command += ["--quiet"] if progress.quiet else []
    stop = threading.Event()
    told = False
    # Its own modules, not those that this process may have been told to import.
    with interruptible(stop), proc.start(command, env={"PYTHONPATH": ""}, stderr=None) as child:
        while (status := child.wait(0.5)) is None:
            if stop.is_set() and not told:
                told = child.ask_to_end()
    if status in (0, EXIT_TRIAL_FAILED, EXIT_INTERRUPTED):
        return status != EXIT_INTERRUPTED
    said = f"the program of {commit}, which began run {run.name}, ended with {status}"
    if status == UserError.exit_code:
        raise UserError(said, "do what it says above, or start a new run")
    raise InfrastructureError(said, "see above")
