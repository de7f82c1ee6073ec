# SPDX-License-Identifier: GPL-2.0-only
"""The guest's page tables at one edge: the model's snapshots, checked against the kernel's dump."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.counters.facts import page_tables, snapshots
from harness.counters.facts.agreement import (
    NOT_COMPARED,
    changes,
    comparable,
    first_difference,
    without,
)
from harness.counters.facts.files import Files, Missing, Value, computed
from harness.counters.facts.page_tables import LEVEL_BYTES, PageTables
from harness.counters.facts.snapshots import DIRECT_MAP, Snapshot
from harness.errors import TrialError
from harness.metrics.readers import Part
from harness.model.reading import Reading, Status

DUMP = "kernel_page_tables"
REAL_MODE = 1 << 20
"""Code that starts other CPUs is in the first megabyte and executable in the direct map."""

_LEVELS = {"pages_4k": "pte", "pages_2m": "pmd", "pages_1g": "pud"}


@dataclass(frozen=True, kw_only=True)
class EdgeTables:
    """Page tables of an edge; None, and why, where neither way to read them gave any."""

    tables: PageTables | None
    reason: str = ""
    readings: tuple[Reading, ...] = ()
    notes: tuple[str, ...] = ()


def from_dump(files: Files, edge: str) -> EdgeTables:
    """As the kernel itself tells them in debugfs (CONFIG_PTDUMP_DEBUGFS)."""
    dump = files.parsed(edge, DUMP, lambda d: page_tables.parse(d.decode(errors="replace")))
    if isinstance(dump, Missing):
        return EdgeTables(tables=None, reason=dump.reason)
    return EdgeTables(tables=dump)


def at_edge(files: Files, edge: str, taken: Mapping[int, Snapshot]) -> EdgeTables:
    """As the model read them, after a comparison with the kernel's own dump where there is one.

    Raises TrialError when both do not agree to the last page, and for a snapshot that was
    not taken.
    """
    dump = from_dump(files, edge)
    first = _taken(taken, snapshots.first_number(edge), edge)
    last = first
    has_dump = isinstance(files.raw(edge, DUMP), bytes)
    if has_dump:
        last = _taken(taken, snapshots.second_number(edge), edge)
    compared, notes = _compare(dump, has_dump, edge, (first, last))
    values = {"compared": compared, **_direct_map(last)}
    known = last.tables if last.snapshot.complete else dump.tables
    return EdgeTables(
        tables=known,
        reason="" if known else f"the model's page tables are cut: {last.snapshot.reason}",
        readings=tuple(computed(Part.PAGE_TABLES, values, {"at": edge})),
        notes=notes,
    )


@dataclass(frozen=True)
class _Read:
    """A snapshot and its page tables."""

    snapshot: Snapshot
    tables: PageTables


def _taken(taken: Mapping[int, Snapshot], number: int, edge: str) -> _Read:
    if number not in taken:
        raise TrialError(f"the iTLB model has no snapshot {number}, which the guest took at {edge}")
    return _Read(taken[number], snapshots.tables(taken[number]))


def _compare(
    dump: EdgeTables, has_dump: bool, edge: str, around: tuple[_Read, _Read]
) -> tuple[Value, tuple[str, ...]]:
    """How many page-table entries both ways to read them agree on, and what could not be
    compared. What the guest changed between the two snapshots may be either in the dump.

    Raises TrialError where they do not agree.
    """

    def none(status: Status, why: str) -> tuple[Value, tuple[str, ...]]:
        missing = Missing(why, status)
        if not has_dump:
            return missing, ()
        return missing, (f"page tables at {edge} were not compared with the kernel's: {why}",)

    own = dump.tables
    if own is None:
        return none(Status.NOT_COUNTED if has_dump else Status.NOT_SUPPORTED, dump.reason)
    part = next((one.snapshot for one in around if not one.snapshot.complete), None)
    if part is not None:
        return none(Status.NOT_COUNTED, f"the model's page tables are cut: {part.reason}")
    lost = sorted(own.cut - NOT_COMPARED)
    if lost:
        return none(Status.NOT_COUNTED, f"the kernel's dump leaves out lines of {lost[0]}")
    before, after = (comparable(one.tables, own.sections) for one in around)
    changed = changes(before, after)
    modelled, dumped = without(before, changed), without(comparable(own, own.sections), changed)
    differs = first_difference(dumped, modelled)
    if differs is not None:
        raise TrialError(
            f"page tables at {edge}: the kernel's dump has at {differs.address:#x} {differs.left}; "
            f"the model has {differs.right}"
        )
    agreed = sum(r.pages for r in modelled)
    if not changed:
        return agreed, ()
    size = sum(end - start for start, end in changed) >> 10
    return agreed, (
        f"page tables at {edge}: the guest changed {size} kB, from {changed[0][0]:#x} on, while "
        "they were read; these were not compared with the kernel's own dump",
    )


def _direct_map(read: _Read) -> dict[str, Value]:
    """The direct map by page size and what of it is executable.

    Of source ``model``: no file of the kernel has it, and a trial without the model has no such
    reading. DirectMap* of meminfo are counters that the kernel keeps: in Linux 6.1 they count
    splits of the image's own mapping too.
    """
    direct_map = read.snapshot.direct_map
    if direct_map is None or not read.snapshot.complete:
        why = read.snapshot.reason or "the model found no direct map"
        return dict.fromkeys((*_LEVELS, "executable"), Missing(why))
    mapped = [r for r in read.tables.ranges if r.section == DIRECT_MAP]
    above = int(direct_map, 16) + REAL_MODE
    executable = sum(
        -(-(r.end - max(r.start, above)) // LEVEL_BYTES[r.level])
        for r in mapped
        if r.executable and r.end > above
    )
    return {
        **{
            name: sum(r.pages for r in mapped if r.level == level)
            for name, level in _LEVELS.items()
        },
        "executable": executable,
    }
