# SPDX-License-Identifier: GPL-2.0-only
"""Where things are: the checkout and the cache. Nothing else decides paths."""

import os
from pathlib import Path

import platformdirs

PROJECT = Path(__file__).resolve().parent.parent
CONFIGS = PROJECT / "configs"
WORKLOADS = PROJECT / "workloads"
RESULTS = PROJECT / "results"


def cache_dir() -> Path:
    """The cache folder, made if need be: $EXECMEM_BENCH_CACHE or the user's cache folder.

    Nothing in it is needed for correctness; it may be removed at any time.
    """
    chosen = os.environ.get("EXECMEM_BENCH_CACHE")
    path = Path(chosen) if chosen else Path(platformdirs.user_cache_dir("execmem-bench"))
    path.mkdir(parents=True, exist_ok=True)
    return path
