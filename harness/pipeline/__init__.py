# SPDX-License-Identifier: GPL-2.0-only
"""The whole program as a library: what the command line calls, and what a script may.

from harness import pipeline
outcome = pipeline.run(pipeline.RunRequest(kernels="bpf_prog_pack"), pipeline.Progress())
table = pipeline.comparison([str(outcome.path)])
"""

import os

from harness.kernel import Kernel
from harness.paths import cache_dir
from harness.pipeline import cache_table, caching, checkout, prepare
from harness.pipeline.anatomy import module_anatomy, show_anatomy
from harness.pipeline.bisecting import Bisection, BisectRequest, bisect
from harness.pipeline.caching import DAYS as PRUNE_DAYS
from harness.pipeline.collecting import Collected, collect
from harness.pipeline.doctoring import doctor, tuning
from harness.pipeline.history_view import FolderHistory, folder_history, refuse_empty, show_history
from harness.pipeline.nightly import NightOutcome, NightRequest, nightly
from harness.pipeline.planning import DEFAULT_SUITE, RunRequest
from harness.pipeline.progress import Progress
from harness.pipeline.replaying import REPLAYABLE, ReplayRequest, replay
from harness.pipeline.reporting import report
from harness.pipeline.reproducing import Reproduction, reproduce, reproduction_json
from harness.pipeline.run import RunOutcome, run
from harness.pipeline.shell import shell
from harness.pipeline.site import write_otava, write_site
from harness.pipeline.spreading import Computed, Spread, compute, plan_trials
from harness.pipeline.trial import Interrupted
from harness.pipeline.validation import Validation, profile_names, validate
from harness.pipeline.views import (
    comparison,
    describe_kernels,
    export,
    export_notes,
    listing,
    show,
    show_profiles,
    show_validation,
)
from harness.report.exports import FILE_NAMES

EXPORT_FORMATS = tuple(FILE_NAMES)
"""Formats of ``export``."""

__all__ = [
    "DEFAULT_SUITE",
    "EXPORT_FORMATS",
    "PRUNE_DAYS",
    "REPLAYABLE",
    "BisectRequest",
    "Bisection",
    "Collected",
    "Computed",
    "FolderHistory",
    "Interrupted",
    "NightOutcome",
    "NightRequest",
    "Progress",
    "ReplayRequest",
    "Reproduction",
    "RunOutcome",
    "RunRequest",
    "Spread",
    "Validation",
    "bisect",
    "build",
    "cache",
    "collect",
    "comparison",
    "compute",
    "describe_kernels",
    "doctor",
    "export",
    "export_notes",
    "folder_history",
    "listing",
    "module_anatomy",
    "nightly",
    "plan_trials",
    "profile_names",
    "refuse_empty",
    "replay",
    "report",
    "reproduce",
    "reproduction_json",
    "run",
    "shell",
    "show",
    "show_anatomy",
    "show_history",
    "show_profiles",
    "show_validation",
    "tuning",
    "validate",
    "write_otava",
    "write_site",
]


def build(kernels: str | None, progress: Progress) -> tuple[Kernel, ...]:
    """Build the kernels named (None: every variant), and everything else a run needs."""
    return prepare.everything(kernels, progress)


def cache(*, days: int | None, dry_run: bool, as_json: bool) -> str:
    """What is in the cache; with ``days`` after taking out what was not used for so long.

    Raises PrerequisiteError for a cache that cannot be read, InfrastructureError for something
    that cannot be removed.
    """
    root = cache_dir()
    contents = caching.survey(root, checkout.current(root, os.environ.get("KERNEL_SRC") or None))
    pruned = None if days is None else caching.prune(contents, days=days, dry_run=dry_run)
    return (cache_table.as_json if as_json else cache_table.render)(contents, pruned)
