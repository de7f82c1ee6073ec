# SPDX-License-Identifier: GPL-2.0-only
"""Named dynamic text that caused most misses, by build: which program or module it was.

A trial names the texts with most misses only. One that it does not name is unknown in that
trial, not 0: it may have come just below the last one named.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from harness.model.records import MAX_SITES, Site


@dataclass(frozen=True, kw_only=True)
class SiteCounts:
    """Misses of all texts of one name in one trial; medians over seeds, where several stand for
    a build."""

    texts: float  # programs or modules of that name among those named
    walks_4k: float
    walks_coalesced_4k: float
    walks_2m_4m: float
    walks_1g: float
    stlb_hits: float

    @property
    def walks(self) -> float:
        return self.walks_4k + self.walks_coalesced_4k + self.walks_2m_4m + self.walks_1g


@dataclass(frozen=True, kw_only=True)
class SiteCell:
    """One build. ``counts`` is None when no trial of the build names the text."""

    counts: SiteCounts | None
    seeds: int = 0  # that name it; at the others it is unknown
    cut: bool = False  # some trial named as many texts as it could: others may exist


@dataclass(frozen=True, kw_only=True)
class SiteRow:
    """Texts of one name, such as all copies of one program."""

    name: str
    origin: str
    cells: Mapping[str, SiteCell]  # by build


@dataclass(frozen=True, kw_only=True)
class NamedTrial:
    """What one trial says about named texts."""

    build: str
    seed: int
    sites: Sequence[Site]
    windows: int  # that it counted


def common_name(name: str) -> str:
    """``name`` without the number that tells programs of one name apart (``probe#17``)."""
    return re.sub(r"#\d+$", "", name)


def gather(trials: Iterable[NamedTrial], builds: Sequence[str]) -> tuple[SiteRow, ...]:
    """Rows for ``trials``, the text with most walks on any build first.

    Several trials of one seed count once, by their mean.
    """
    read: dict[tuple[str, str], dict[str, dict[int, list[SiteCounts]]]] = {}
    cut: set[str] = set()
    for trial in trials:
        if len(trial.sites) >= MAX_SITES * trial.windows:
            cut.add(trial.build)
        for key, counts in _by_name(trial.sites).items():
            by_seed = read.setdefault(key, {}).setdefault(trial.build, defaultdict(list))
            by_seed[trial.seed].append(counts)
    rows = [
        SiteRow(
            name=name,
            origin=origin,
            cells={
                build: _cell(by_build[build], build in cut)
                if build in by_build
                else SiteCell(counts=None)
                for build in builds
            },
        )
        for (origin, name), by_build in read.items()
    ]
    return tuple(sorted(rows, key=_rank))


def _by_name(sites: Iterable[Site]) -> dict[tuple[str, str], SiteCounts]:
    groups: dict[tuple[str, str], list[Site]] = defaultdict(list)
    for site in sites:
        groups[site.origin, common_name(site.name)].append(site)
    return {
        key: SiteCounts(
            texts=len({site.name for site in group}),
            walks_4k=sum(site.walks_4k for site in group),
            walks_coalesced_4k=sum(site.walks_coalesced_4k for site in group),
            walks_2m_4m=sum(site.walks_2m_4m for site in group),
            walks_1g=sum(site.walks_1g for site in group),
            stlb_hits=sum(site.stlb_hits for site in group),
        )
        for key, group in groups.items()
    }


def _cell(by_seed: Mapping[int, Sequence[SiteCounts]], cut: bool) -> SiteCell:
    fields = SiteCounts.__dataclass_fields__

    def middle(field: str) -> float:
        return median(fmean(getattr(c, field) for c in counts) for counts in by_seed.values())

    return SiteCell(
        counts=SiteCounts(**{field: middle(field) for field in fields}),
        seeds=len(by_seed),
        cut=cut,
    )


def _rank(row: SiteRow) -> tuple[float, float, str, str]:
    known = [cell.counts for cell in row.cells.values() if cell.counts is not None]
    return (
        -max(counts.walks for counts in known),
        -max(counts.stlb_hits for counts in known),
        row.origin,
        row.name,
    )
