# SPDX-License-Identifier: GPL-2.0-only
"""Where things are: the checkout and the cache. Nothing else decides paths."""

import os
from pathlib import Path

import platformdirs

from harness.errors import PrerequisiteError

PROJECT = Path(__file__).resolve().parent.parent
CONFIGS = PROJECT / "configs"
WORKLOADS = PROJECT / "workloads"
RESULTS = PROJECT / "results"


def cache_dir() -> Path:
    """The cache folder, made if need be: $EXECMEM_BENCH_CACHE or the user's cache folder.

    Nothing in it is needed for correctness; it may be removed at any time. Raises
    PrerequisiteError when it is not a folder and cannot be made.
    """
    chosen = os.environ.get("EXECMEM_BENCH_CACHE")
    path = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("execmem-bench"))
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PrerequisiteError(
            f"{path} cannot be the cache ({error.strerror})",
            "set EXECMEM_BENCH_CACHE to a folder that you may write to",
        ) from error
    return path
