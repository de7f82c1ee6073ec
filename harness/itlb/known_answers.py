# SPDX-License-Identifier: GPL-2.0-only
"""Loops over code pages whose misses are known beforehand, exactly, for every CPU profile.

A loop enters ``pages`` pages, one lookup each, at a fixed stride and in order, ``rounds``
times, beginning with empty TLBs. Counts follow from the geometry where they can be derived
(see :func:`_kept`); elsewhere (a tree-PLRU set with a page too many keeps some of them) the
reference model counts, and the loop says so. Nothing here depends on the C model.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness.itlb import plugin
from harness.itlb.reference import CODE, Model, load_profile, place
from harness.itlb.reference_buffers import (
    IN_TABLES,
    SHIFT,
    SIZES,
    Buffer,
    Oldest,
    SkewedBuffer,
)

BASE = 1 << 45
"""Default address of a loop's first page; aligned to what any profile's index looks at."""
USER_END = 1 << 47
DEFAULT_ROUNDS = 10


@dataclass(frozen=True)
class Expected:
    """Exact counts of a loop; ``source`` says what they follow from."""

    lookups: int
    l1_hits: int
    stlb_hits: int
    walks: int
    source: Literal["geometry", "reference"]


@dataclass(frozen=True)
class Loop:
    """One loop: ``pages`` pages of ``page_size``, ``stride`` pages apart, ``rounds`` times.

    Of ``16k`` pages and stride count those of 4 kB, four of which an entry can hold.
    """

    page_size: str
    pages: int
    stride: int
    rounds: int
    expected: Expected
    edge: str
    """Which limit of which buffer the loop stands beside."""
    from_empty: bool = False
    """Counts are those from empty TLBs on only, as of too many pages for a skewed buffer: which
    of them stay depends on what was there before."""

    def addresses(self, base: int = BASE) -> list[int]:
        """The first address of each page, in order."""
        return _addresses(self.page_size, self.pages, self.stride, base)


def loops(profile: str | Path, *, rounds: int = DEFAULT_ROUNDS, base: int = BASE) -> list[Loop]:
    """Loops around every capacity and associativity edge of a profile, for each page size.

    ``profile`` is a name or a file. ``base`` is the address of the first page; expected counts
    hold for it, and for any other one that is a multiple of 32 GB.
    """
    path = profile if isinstance(profile, Path) else plugin.profile_path(profile)
    geometry = load_profile(path)
    empty = Model(geometry)
    edges: dict[tuple[str, int, int], Edge] = {}
    for size in _sizes(empty):
        for edge in _edges(empty, size):
            if _fits(size, edge.pages, edge.stride, base):
                edges.setdefault((size, edge.pages, edge.stride), edge)
    return [
        Loop(
            page_size=size,
            pages=pages,
            stride=stride,
            rounds=rounds,
            expected=expected(
                geometry, _addresses(size, pages, stride, base), size, rounds, empty=empty
            ),
            edge=edge.text,
            from_empty=edge.from_empty,
        )
        for (size, pages, stride), edge in edges.items()
    ]


def _sizes(model: Model) -> list[str]:
    """Page sizes whose loops say something: 16k only where an entry can hold it."""
    held = {size for buffer in model.buffers.values() for size in buffer.placement}
    return [size for size in SIZES if size != "16k" or size in held]


def expected(
    geometry: dict[str, Any],
    addresses: list[int],
    size: str,
    rounds: int,
    *,
    empty: Model | None = None,
) -> Expected:
    """Counts of one loop over pages at ``addresses``, by geometry or else by the reference.

    ``empty`` is a model of ``geometry`` that was not used yet, to save making one.
    """
    derived = from_geometry(empty or Model(geometry), addresses, size, rounds)
    return derived or from_reference(geometry, addresses, size, rounds)


def from_geometry(empty: Model, addresses: list[int], size: str, rounds: int) -> Expected | None:
    """Counts that follow from sets and ways alone; None where the policy decides."""
    code = empty.code
    first, second = place(code.first, size), place(code.second, size)
    if not first or not second:
        return None
    kept = _kept(*first, addresses)
    if kept is None:
        return None
    if all(kept):  # each is walked once, whatever is behind
        return _counts(
            rounds,
            pages=len(addresses),
            stlb_hits=0,
            walks=len(addresses),
            source="geometry",
        )
    missing = [a for a, stays in zip(addresses, kept, strict=True) if not stays]
    held = _kept(*second, addresses)
    if held is None:
        return None
    walking = {a for a, stays in zip(addresses, held, strict=True) if not stays}
    if not walking <= set(missing):
        return None  # the first level hides uses from a set that overflows: order decides
    return _counts(
        rounds,
        pages=len(addresses),
        stlb_hits=(len(missing) - len(walking)) * (rounds - 1),
        walks=len(addresses) + len(walking) * (rounds - 1),
        source="geometry",
    )


def from_reference(
    geometry: dict[str, Any], addresses: list[int], size: str, rounds: int
) -> Expected:
    """Counts by the reference model, whose state repeats: whole periods are multiplied."""
    model = Model(geometry)
    seen: dict[str, int] = {}
    totals = [Counter[str]()]
    for number in range(rounds):
        state = _state(model) if rounds > DEFAULT_ROUNDS else str(number)
        if state in seen:
            begin = seen[state]
            periods, remaining = divmod(rounds - number, number - begin)
            period = _minus(totals[number], totals[begin])
            total = totals[number] + _minus(totals[begin + remaining], totals[begin])
            for outcome, count in period.items():
                total[outcome] += count * periods
            break
        seen[state] = number
        totals.append(totals[-1] + Counter(model.fetch(a, 0, size, False) for a in addresses))
    else:
        total = totals[-1]
    return _counts(
        rounds,
        pages=len(addresses),
        stlb_hits=total["s"],
        walks=total["w"],
        source="reference",
    )


def _minus(later: Counter[str], earlier: Counter[str]) -> Counter[str]:
    return Counter({key: later[key] - earlier[key] for key in later})


def _state(model: Model) -> str:
    """What the model's future depends on."""
    return repr([buffer.state() for buffer in (*model.code.first, *model.code.second)])


def _counts(
    rounds: int,
    *,
    pages: int,
    stlb_hits: int,
    walks: int,
    source: Literal["geometry", "reference"],
) -> Expected:
    return Expected(
        lookups=pages * rounds,
        l1_hits=pages * rounds - stlb_hits - walks,
        stlb_hits=stlb_hits,
        walks=walks,
        source=source,
    )


def _kept(buffer: Buffer, held: str, addresses: list[int]) -> list[bool] | None:
    """Which pages stay in a buffer that sees every one of them in order, round after round.

    A set keeps all of its pages while it has a way for each. With more, LRU keeps none. Under
    the tree policies as many misses in a row as there are ways go once through every way, so
    twice as many pages as ways keep none either; what is between depends on the policy. A
    skewed buffer has no sets to count pages in, nor are entries counted that are entered at
    several addresses in a row.
    """
    if isinstance(buffer, SkewedBuffer) or len({a >> SHIFT[held] for a in addresses}) < len(
        addresses
    ):
        return None
    places = [
        (number, tuple(ways))
        for number, ways in (buffer.where(a >> SHIFT[held], held) for a in addresses)
    ]
    crowd = Counter(places)
    enough = 1 if isinstance(buffer.policy(0), Oldest) else 2
    if any(len(row[1]) < count < enough * len(row[1]) for row, count in crowd.items()):
        return None
    return [crowd[row] <= len(row[1]) for row in places]


def _addresses(size: str, pages: int, stride: int, base: int) -> list[int]:
    return [base + (n * stride << SHIFT[IN_TABLES[size]]) for n in range(pages)]


def _fits(size: str, pages: int, stride: int, base: int) -> bool:
    return base + ((pages - 1) * stride + 1 << SHIFT[IN_TABLES[size]]) <= USER_END


@dataclass(frozen=True)
class Edge:
    """Pages and stride of a loop, and the limit that it stands beside."""

    pages: int
    stride: int
    text: str
    from_empty: bool = False


def _edges(model: Model, size: str) -> Iterator[Edge]:
    """Pages and stride just below, at and above what each buffer can hold."""
    for name, buffer in model.buffers.items():
        if name not in (*CODE, "stlb"):
            continue
        placed = place(model.code.second if name == "stlb" else model.code.first, size)
        if not placed or placed[0] is not buffer:
            continue
        held = placed[1]
        groups = buffer.placement[held].groups
        rows, ways = buffer.count * len(groups), len(groups[0])
        pieces = 1 << (SHIFT[size] - SHIFT[held])
        apart = 1 << (SHIFT[size] - SHIFT[IN_TABLES[size]])  # stride from one to the next
        if pieces == 1:
            full = rows * ways
            skewed = isinstance(buffer, SkewedBuffer)  # it overflows little by little
            near: tuple[int, ...] = (full - 1, full, full + 1, 2 * full)
            for pages in (full // 2, full * 3 // 2) if skewed else near:
                text = f"{name}: {full} pages of {size}"
                yield Edge(pages, apart, text, from_empty=skewed and pages > full)
                if apart > 1 and not skewed:
                    yield Edge(pages * apart, 1, f"{text}, each entered {apart} times in a row")
        if (rows > 1 or pieces > 1) and not isinstance(buffer, SkewedBuffer):
            stride, at_once = _one_set(model, buffer, held, pieces)
            for pages in (ways, ways + 1, 2 * ways):
                text = f"{name}: {ways} ways for {size} in {at_once} of its sets"
                yield Edge(pages * at_once, stride * apart, text)


def _one_set(model: Model, buffer: Buffer, held: str, pieces: int) -> tuple[int, int]:
    """A stride, in pages, that stays in one set of ``buffer``, or in as many as it takes.

    The second level is seen only through a first level that overflows; one that is fully
    associative holds a few ways of a set, so several sets are filled at once, evenly.
    """
    groups = buffer.placement[held].groups
    rows, ways = buffer.count * len(groups), len(groups[0])
    at_once = 1
    for first in model.code.first:
        if first is not buffer and first.count == 1 and held in first.placement and pieces == 1:
            while at_once * ways <= first.ways:
                at_once *= 2
    same_set = rows * rows if buffer.index == "xor" else rows
    return max(1, same_set // at_once // pieces), at_once
