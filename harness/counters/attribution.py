# SPDX-License-Identifier: GPL-2.0-only
"""Which text caused which misses: by the guest's own symbols, from exact addresses."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from harness.counters.facts.page_tables import PageTables
from harness.counters.facts.text_map import PAGE, UNKNOWN, Origin, TextMap
from harness.errors import DataError
from harness.model.records import MAX_SITES, Site

ORIGINS = (
    "user",
    "kernel_image",
    "bpf_prog",
    "bpf_trampoline",
    "bpf_dispatcher",
    "ftrace_trampoline",
    "kprobe",
    "module",
    "other",
)

PageSize = Literal["4k", "16k", "2m", "1g"]


class Missed(Protocol):
    """An address whose fetches missed; in user text, the page's address."""

    @property
    def address(self) -> str: ...
    @property
    def user(self) -> bool: ...
    @property
    def page(self) -> PageSize: ...
    @property
    def stlb_hits(self) -> int: ...
    @property
    def walks(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Misses:
    """Numbers of events."""

    stlb_hits: int = 0
    walks_4k: int = 0
    walks_16k: int = 0  # of four pages of 4 kB that one entry then holds
    walks_2m: int = 0
    walks_1g: int = 0

    @property
    def walks(self) -> int:
        """Walks of every page size."""
        return self.walks_4k + self.walks_16k + self.walks_2m + self.walks_1g

    def __add__(self, other: "Misses") -> "Misses":
        return Misses(
            stlb_hits=self.stlb_hits + other.stlb_hits,
            walks_4k=self.walks_4k + other.walks_4k,
            walks_16k=self.walks_16k + other.walks_16k,
            walks_2m=self.walks_2m + other.walks_2m,
            walks_1g=self.walks_1g + other.walks_1g,
        )


def of_site(site: Missed) -> Misses:
    """The misses of one address."""
    walks = {f"walks_{site.page}": site.walks}
    return Misses(stlb_hits=site.stlb_hits, **walks)


@dataclass(frozen=True)
class Finder:
    """Whose text an address was in a window: ``maps`` of its edges, the later first.

    A program that was unloaded inside the window is found in the map of its opening.
    ``tables`` name the region of an address that nobody claims.
    """

    maps: Sequence[TextMap]
    tables: PageTables | None = None

    def find(self, address: int) -> Origin:
        """(origin, name) of kernel text."""
        best = UNKNOWN
        for text_map in self.maps:
            hit = text_map.find(address)
            if hit[1] or hit[0] == "kernel_image":
                return hit
            if best == UNKNOWN:
                best = hit
        if best == UNKNOWN:
            return "other", self._region(address)
        return best

    def _region(self, address: int) -> str:
        held = self.tables.find(address) if self.tables is not None else None
        where = f" ({held.section})" if held is not None and held.section else ""
        return f"{address - address % PAGE:#x}{where}"


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Misses by origin (every origin is there), and by (origin, name) of named text."""

    by_origin: Mapping[str, Misses]
    by_name: Mapping[tuple[str, str], Misses]


def attribute(sites: Sequence[Missed], finder: Finder, totals: Misses) -> Attribution:
    """The misses of ``sites`` by whose text they are.

    Raises DataError when they do not add up to ``totals``.
    """
    by_origin = dict.fromkeys(ORIGINS, Misses())
    by_name: dict[tuple[str, str], Misses] = defaultdict(Misses)
    for site in sites:
        origin, name = ("user", "") if site.user else finder.find(int(site.address, 16))
        by_origin[origin] += of_site(site)
        if name:
            by_name[origin, name] += of_site(site)
    summed = sum(by_origin.values(), Misses())
    if summed != totals:
        raise DataError(f"misses by origin add up to {summed}, not to {totals}")
    return Attribution(by_origin=by_origin, by_name=dict(by_name))


def top(by_name: Mapping[tuple[str, str], Misses], count: int = MAX_SITES) -> tuple[Site, ...]:
    """The ``count`` named texts with the most misses, walks first."""
    ranked = sorted(by_name.items(), key=lambda item: (-item[1].walks, -item[1].stlb_hits, item[0]))
    return tuple(
        Site(
            name=name,
            origin=origin,
            stlb_hits=misses.stlb_hits,
            walks_4k=misses.walks_4k,
            walks_coalesced_4k=misses.walks_16k,
            walks_2m_4m=misses.walks_2m,
            walks_1g=misses.walks_1g,
        )
        for (origin, name), misses in ranked[:count]
    )
