# SPDX-License-Identifier: GPL-2.0-only
"""Readings that the workloads that come with the program declare."""

import tomllib
from collections.abc import Mapping
from functools import cache

import msgspec

from harness.model.reading_spec import ReadingSpec
from harness.paths import WORKLOADS


@cache
def declarations() -> Mapping[str, tuple[ReadingSpec, ...]]:
    """By workload. The whole definitions, and errors in them, are ``harness.config``'s."""
    return {
        path.parent.name: msgspec.convert(
            tomllib.loads(path.read_text(encoding="utf-8")).get("readings", ()),
            tuple[ReadingSpec, ...],
        )
        for path in sorted(WORKLOADS.glob("*/workload.toml"))
    }
