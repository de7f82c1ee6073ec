# SPDX-License-Identifier: GPL-2.0-only
"""What is known of a reading by its name."""

from dataclasses import dataclass
from enum import StrEnum

from harness.model import Source


class Section(StrEnum):
    """Where a reading stands in a table; the order is the order of the sections."""

    ITLB = "iTLB"
    TEXT = "BPF text and its mappings"
    SHOOTDOWN = "TLB shootdowns"
    DIRECT_MAP = "direct map"
    MEMORY = "memory"
    LOAD = "loading"
    WORK = "work done"
    TESTS = "the kernel's own tests"
    OTHER = "other readings"


class Kind(StrEnum):
    """How a value behaves."""

    COUNT = "count"  # events in a window: also per second and per operation
    LEVEL = "level"  # a state at a moment, or a figure that is a rate already


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One reading name."""

    name: str
    title: str  # a few words for tables
    unit: str
    section: Section
    kind: Kind
    better: str = ""  # "lower" | "higher" | "": neither by itself
    detail: bool = False  # shown in full tables only
    meaning: str = ""
    sources: tuple[Source, ...] = (Source.KERNEL,)  # that report it
