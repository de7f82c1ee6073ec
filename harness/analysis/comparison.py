# SPDX-License-Identifier: GPL-2.0-only
"""A comparison as data: tables, rows, cells."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.analysis.comparability import Settings
from harness.analysis.noise import Drift
from harness.analysis.sites import SiteRow
from harness.analysis.stats import Ratio, Summary
from harness.analysis.verdicts import Verdicts
from harness.model.reading import Reading, Source, Status
from harness.model.reading_spec import ReadingSpec
from harness.model.records import Manifest, TextPages, TrialRecord


class Per(StrEnum):
    """What a row is divided by."""

    TOTAL = ""
    SECOND = "s"
    OPERATION = "op"
    SWITCH = "switch"  # a context switch of the guest


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """Why a value is missing for one seed."""

    seed: int
    status: Status
    reason: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One build in one row. ``values`` by seed; ``ratio`` is None for the baseline itself.

    Trials that failed are in neither ``values`` nor ``unknown``: see ``Block.failures``.
    """

    values: Mapping[int, float]
    unknown: tuple[Unknown, ...]
    summary: Summary | None
    ratio: Ratio | None
    scaled: bool = False  # some value was extrapolated from a multiplexed counter
    outliers: tuple[int, ...] = ()  # seeds whose value is far from the others
    drift: Drift | None = None  # of a mode with noise: with the order of the trials


@dataclass(frozen=True, kw_only=True)
class Row:
    """One reading, as a total or divided, over all builds."""

    metric: ReadingSpec
    source: Source
    labels: tuple[tuple[str, str], ...]  # without the window, which is the row's own field
    window: str  # label of the window; "" for readings of no window
    per: Per
    unit: str
    cells: Mapping[str, Cell]  # by build

    def label(self, name: str) -> str:
        """The label ``name``, "" without."""
        return dict(self.labels).get(name, "")


@dataclass(frozen=True, kw_only=True)
class TrialFailure:
    """A trial that gave no result."""

    build: str
    seed: int
    kind: str
    message: str


@dataclass(frozen=True, kw_only=True)
class TrialTaint:
    """What the kernel of a trial warned of; the trial counts."""

    build: str
    seed: int
    message: str


@dataclass(frozen=True, kw_only=True)
class SeedPages:
    """Pages of BPF programs in one trial of a build."""

    seed: int
    pages: TextPages


@dataclass(frozen=True, kw_only=True)
class Block:
    """One table: equal settings, builds side by side."""

    settings: Settings
    builds: tuple[str, ...]
    baseline: str  # "" when the baseline has no trial here
    seeds: Mapping[str, tuple[int, ...]]  # seeds with a result, by build
    windows: tuple[str, ...]  # labels of the measured windows
    rows: tuple[Row, ...]
    failures: tuple[TrialFailure, ...] = ()
    taints: tuple[TrialTaint, ...] = ()
    verdicts: Verdicts | None = None  # of the kernel's own tests, where the workload runs them
    sites: tuple[SiteRow, ...] = ()  # named texts, those with most walks first
    text_pages: Mapping[str, SeedPages] = field(default_factory=dict)  # by build, lowest seed
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All tables of the runs compared."""

    runs: tuple[str, ...]
    manifests: tuple[Manifest, ...]
    baseline: str
    builds: tuple[str, ...]  # the baseline first
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()  # what the reader must know
    problems: tuple[str, ...] = ()  # torn lines, missing trials, results that do not repeat


@dataclass(frozen=True, kw_only=True)
class ComparedTrial:
    """A trial with its readings, those made of others included."""

    build: str
    seed: int
    record: TrialRecord
    readings: tuple[Reading, ...] = field(default=())
