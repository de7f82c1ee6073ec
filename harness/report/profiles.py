# SPDX-License-Identifier: GPL-2.0-only
"""Several CPUs' answers to one question in one table: builds side by side, CPU by CPU."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.analysis.comparability import Settings
from harness.analysis.comparison import Block, Cell, Comparison, Per, Row
from harness.metrics.catalogue import MEASURED, ORIGIN_TITLES
from harness.report import wording

ROWS: tuple[tuple[str, str], ...] = (
    ("itlb.walk_completed_4k", "all"),
    ("itlb.walk_completed_4k", "bpf"),
    ("itlb.walk_completed_4k", "kernel_image"),
    ("itlb.walk_completed_4k", "user"),
    ("itlb.walk_completed_4k", "rest"),
    ("itlb.walk_completed_coalesced_4k", "all"),
    ("itlb.walk_completed_coalesced_4k", "bpf"),
    ("itlb.walk_completed_2m_4m", "all"),
    ("itlb.walk_completed_2m_4m", "bpf"),
    ("itlb.stlb_hit", "all"),
    ("itlb.stlb_hit", "bpf"),
)
"""Readings (name, origin) of the table: where the walks of each build come from."""


@dataclass(frozen=True, kw_only=True)
class ProfileLine:
    """One reading on one CPU; ``cells`` by build, in the table's order."""

    profile: str
    title: str
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ProfileTable:
    """All CPUs for one workload and its settings."""

    title: str
    builds: tuple[str, ...]
    lines: tuple[ProfileLine, ...]


def tables(comparisons: Sequence[Comparison]) -> tuple[ProfileTable, ...]:
    """The tables of runs that differ in the CPU profile only, per second of guest time."""
    groups: dict[Settings, list[Block]] = {}
    for comparison in comparisons:
        for block in comparison.blocks:
            groups.setdefault(replace(block.settings, profile=""), []).append(block)
    return tuple(
        ProfileTable(
            title=f"{_title(shared)}: per second, {wording.seeds_line(_seeds(blocks[0]))}",
            builds=blocks[0].builds,
            lines=tuple(line for block in blocks for line in _lines(block)),
        )
        for shared, blocks in groups.items()
    )


def _title(shared: Settings) -> str:
    """The workload and the settings of a table, the profile apart."""
    values = {name: value for name, value in shared.values.items() if name != "profile"}
    return ", ".join([shared.workload, *wording.setting_words(values)])


def _seeds(block: Block) -> tuple[int, ...]:
    return next(iter(block.seeds.values()), ())


def _lines(block: Block) -> Iterator[ProfileLine]:
    window = MEASURED if MEASURED in block.windows else "".join(block.windows[-1:])
    rows: dict[tuple[str, str], Row] = {
        (row.metric.name, row.label("origin")): row
        for row in block.rows
        if row.per is Per.SECOND and row.window == window
    }
    for name, origin in ROWS:
        row = rows.get((name, origin))
        if row is not None:
            yield ProfileLine(
                profile=block.settings.profile,
                title=f"{row.metric.title}, {ORIGIN_TITLES[origin]}",
                cells=tuple(_cell(row.cells[build], row.unit) for build in block.builds),
            )


def _cell(cell: Cell, unit: str) -> str:
    if cell.summary is None:
        return wording.STATUS_WORDS[cell.unknown[0].status] if cell.unknown else "no result"
    value = wording.number(cell.summary.median, unit)
    if cell.ratio is None or cell.ratio.value is None:
        return value
    return f"{value} {wording.ratio(cell.ratio)}"
