# SPDX-License-Identifier: GPL-2.0-only
"""Saved runs: schema, writing, reading, provenance."""

from harness.store.loading import LoadedRun, done_trials, find_run, load_run, remaining
from harness.store.run_folder import Run, create_run, folder_errors, resume_run

__all__ = [
    "LoadedRun",
    "Run",
    "create_run",
    "done_trials",
    "find_run",
    "folder_errors",
    "load_run",
    "remaining",
    "resume_run",
]
