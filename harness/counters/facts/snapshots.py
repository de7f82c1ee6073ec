# SPDX-License-Identifier: GPL-2.0-only
"""What the model read in the guest at an edge of the trial: page tables, counted calls.

The kernel half of the page tables comes as runs of leaves and becomes the same
``PageTables`` as the kernel's own dump, with its sections by address.
"""

from collections.abc import Collection, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from harness.counters.facts.files import EDGES
from harness.counters.facts.page_tables import ADDRESS_SPACE, LEVEL_BYTES, PageTables, Range
from harness.errors import TrialError

DIRECT_MAP = "Low Kernel Mapping"
IMAGE = "High Kernel Mapping"
MODULES = "Modules"
"""Sections, by the kernel's own names for them."""

LEVELS = {"4k": "pte", "2m": "pmd", "1g": "pud"}
GIB = 1 << 30

IMAGE_START = 0xFFFF_FFFF_8000_0000
MODULES_STARTS = (0xFFFF_FFFF_A000_0000, 0xFFFF_FFFF_C000_0000)
"""Where modules begin: 512 MiB behind the image's start, 1 GiB where the kernel can move
its image (arch/x86/include/asm/page_64_types.h, KERNEL_IMAGE_SIZE)."""
MODULES_END = 0xFFFF_FFFF_FF00_0000
IMAGE_GAP = 64 << 20
"""Larger holes are not inside an image: it frees its start-up code, a few megabytes."""

Address = Annotated[str, Meta(pattern="^0x[0-9a-f]{1,16}$")]
Count = Annotated[int, Meta(ge=0)]
Run = tuple[
    Address,
    Annotated[int, Meta(ge=1)],
    Literal["4k", "2m", "1g"],
    Annotated[str, Meta(pattern="^[w-][x-][g-][d-]$")],
]
"""First address, number of leaves, their size; writable, executable, global, direct map."""


class Snapshot(msgspec.Struct):
    """One snapshot, as the plugin reports it."""

    id: Annotated[int, Meta(ge=1, le=255)]
    direct_map: Address | None  # where physical address 0 is mapped
    complete: bool
    reason: str  # why it is not complete
    isolated: bool  # user space has page tables of its own
    watch: list[Count]  # cumulative, in the order of the report's ``watched``
    exact: bool  # all that were watched had been armed: differences to later ones are exact
    runs: list[Run]


def first_number(edge: str) -> int:
    """Number of the snapshot before the kernel's own dump is read."""
    return 10 * EDGES.index(edge) + 1


def second_number(edge: str) -> int:
    """Number of the one after it; taken only where there is such a dump."""
    return first_number(edge) + 1


def last_number(edge: str, taken: Collection[int]) -> int | None:
    """The last snapshot at ``edge``; None when there is none."""
    return next((n for n in (second_number(edge), first_number(edge)) if n in taken), None)


def check_snapshot(snapshot: Snapshot, watched: int) -> None:
    """Raises TrialError for a snapshot that cannot be trusted."""
    where = f"the iTLB model's snapshot {snapshot.id}"
    if len(snapshot.watch) != watched:
        raise TrialError(f"{where} has {len(snapshot.watch)} counts for {watched} addresses")
    if snapshot.complete == bool(snapshot.reason):
        raise TrialError(f"{where} is complete and says why it is not, or neither")
    if snapshot.direct_map is not None and int(snapshot.direct_map, 16) % GIB:
        raise TrialError(f"{where} has its direct map at {snapshot.direct_map}, not at a whole GiB")
    end = 0
    for start, pages, size, flags in snapshot.runs:
        first, page = int(start, 16), LEVEL_BYTES[LEVELS[size]]
        if first % page:
            raise TrialError(f"{where}: {start} is not at a whole {size} page")
        if first < end:
            raise TrialError(f"{where}: the run at {start} begins before {end:#x}, the last's end")
        end = first + pages * page
        if end > ADDRESS_SPACE:
            raise TrialError(f"{where}: the run at {start} goes beyond the last address")
        if "d" in flags and snapshot.direct_map is None:
            raise TrialError(f"{where}: {start} is of a direct map that it has not found")


def tables(snapshot: Snapshot) -> PageTables:
    """The runs as ranges. ``snapshot`` has been checked."""
    spans = [
        (int(start, 16), pages * LEVEL_BYTES[LEVELS[size]])
        for start, pages, size, _ in snapshot.runs
    ]
    modules = _modules_start([(start, start + length) for start, length in spans])
    ranges = [
        Range(
            start=start,
            end=start + length,
            level=LEVELS[size],
            writable="w" in flags,
            executable="x" in flags,
            is_global="g" in flags,
            section=DIRECT_MAP if "d" in flags else _section(start, modules),
        )
        for (start, length), (_, _, size, flags) in zip(spans, snapshot.runs, strict=True)
    ]
    return PageTables(ranges, [r.start for r in ranges])


def _section(start: int, modules: int) -> str:
    if start < IMAGE_START or start >= MODULES_END:
        return ""
    return IMAGE if start < modules else MODULES


def _modules_start(spans: Sequence[tuple[int, int]]) -> int:
    """Where the module area begins: the lower of its two places if, behind the image,
    something is mapped between them; if nothing is, it makes no difference.

    The image is the first thing mapped above its area's start, without larger holes.
    """
    low, high = MODULES_STARTS
    end = None
    for first, after in spans:
        if not IMAGE_START <= first < high:
            continue
        if end is not None and first - end > IMAGE_GAP:
            return low if first >= low else high
        end = after
    return high
