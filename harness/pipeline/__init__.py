# SPDX-License-Identifier: GPL-2.0-only
"""The whole program as a library: what the command line calls, and what a script may.

from harness import pipeline
outcome = pipeline.run(pipeline.RunRequest(kernels="bpf_prog_pack"), pipeline.Progress())
table = pipeline.comparison([str(outcome.path)])
"""

from harness.kernel import Kernel
from harness.pipeline import prepare
from harness.pipeline.progress import Progress
from harness.pipeline.replaying import REPLAYABLE, ReplayRequest, replay
from harness.pipeline.run import RunOutcome, RunRequest, run
from harness.pipeline.shell import shell
from harness.pipeline.validation import Validation, profile_names, validate
from harness.pipeline.views import (
    comparison,
    describe_kernels,
    export,
    listing,
    show,
    show_profiles,
    show_validation,
)

__all__ = [
    "REPLAYABLE",
    "Progress",
    "ReplayRequest",
    "RunOutcome",
    "RunRequest",
    "Validation",
    "build",
    "comparison",
    "describe_kernels",
    "export",
    "listing",
    "profile_names",
    "replay",
    "run",
    "shell",
    "show",
    "show_profiles",
    "show_validation",
    "validate",
]


def build(kernels: str | None, progress: Progress) -> tuple[Kernel, ...]:
    """Build the kernels named (None: every variant), and everything else a run needs."""
    return prepare.everything(kernels, progress)
