# SPDX-License-Identifier: GPL-2.0-only
"""What the name of a reading stands for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class Section(StrEnum):
    """Where a reading stands in a table; the order is the order of the sections."""

    ITLB = "iTLB"
    DATA_TLB = "data TLB"
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
class Quotient:
    """A reading that ``compare`` makes of two others of the same trial: ``of`` by ``per``.

    ``labels`` choose among the readings named ``of``; the quotient has the others.
    """

    of: str
    per: str
    labels: Mapping[str, str] = field(default_factory=dict)
    times: int = 1  # per so many


@dataclass(frozen=True, kw_only=True)
class ReadingSpec:
    """What a reading's name stands for. A workload declares those that it emits, in
    ``[[readings]]`` of its ``workload.toml``; the program's own are in ``harness.metrics``."""

    name: str
    unit: str
    title: str  # a few words for tables
    section: Section = Section.WORK
    kind: Kind = Kind.LEVEL
    better: Literal["", "lower", "higher"] = ""  # "": neither by itself
    meaning: str = ""  # what exactly is counted or measured
    detail: bool = False  # shown in full tables only
    mean_over: str = ""  # label over whose values tables show the mean
    quotient: Quotient | None = None  # not emitted: made by ``compare``
