# SPDX-License-Identifier: GPL-2.0-only
"""Memory held by the number of programs, over tables that differ in nothing but their
parameters; and from where on a build holds less than the baseline."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.analysis.comparability import Settings
from harness.analysis.comparison import Block, Row
from harness.report import wording
from harness.report.page.curves import Curve, Curves

HELD = ("bpf.text.held_bytes", "text.held_bytes", "bpf.text.mapped_bytes")
"""What is drawn: the first of these that some build knows."""
PROGRAMS = "bpf.text.programs"


def memory(blocks: Sequence[Block], builds: Sequence[str]) -> tuple[Curves, ...]:
    """A picture for each setting of which there are tables with other numbers of programs."""
    groups: dict[Settings, list[Block]] = defaultdict(list)
    for block in blocks:
        groups[replace(block.settings, params=())].append(block)
    return tuple(
        curves
        for settings, those in groups.items()
        if (curves := _curves(settings, those, builds)) is not None
    )


def _curves(settings: Settings, blocks: Sequence[Block], builds: Sequence[str]) -> Curves | None:
    names = [n for n in HELD if any(_known(_row(block, n)) for block in blocks)]
    if not names:
        return None
    points: dict[str, dict[float, float | None]] = defaultdict(dict)
    title, unit = "", ""
    for block in blocks:
        held, programs = _row(block, names[0]), _row(block, PROGRAMS)
        if held is None or programs is None:
            continue
        title, unit = held.metric.title, held.unit
        for build in block.builds:
            count = programs.cells[build].summary
            value = held.cells[build].summary
            if count is not None:
                points[build][count.median] = None if value is None else value.median
    if len({x for of_build in points.values() for x in of_build}) < 2:
        return None
    base = next((block.baseline for block in blocks if block.baseline), "")
    return Curves(
        title=f"{title}, {settings.workload}, pti={settings.pti}",
        x_title="programs",
        unit=unit,
        curves=tuple(
            Curve(build=builds.index(build), points=tuple(sorted(points[build].items())))
            for build in builds
            if build in points
        ),
        note=" ".join(_break_even(points, base)),
    )


def _row(block: Block, name: str) -> Row | None:
    return next((r for r in block.rows if r.metric.name == name and r.label("at") == "close"), None)


def _known(row: Row | None) -> bool:
    return row is not None and any(cell.summary for cell in row.cells.values())


def _break_even(points: dict[str, dict[float, float | None]], base: str) -> Iterator[str]:
    """Between which measured numbers of programs a build begins to hold less."""
    for build, own in points.items():
        if build == base or base not in points:
            continue
        pairs = [
            (x, y < b)
            for x in sorted(own)
            if (y := own[x]) is not None and (b := points[base].get(x)) is not None
        ]
        turn = next((i for i, (_, less) in enumerate(pairs) if less), None)
        if not pairs:
            continue
        if turn is None:
            last = wording.number(pairs[-1][0])
            yield f"{build} holds no less than {base} at any number of programs, up to {last}."
        elif turn == 0:
            first = wording.number(pairs[0][0])
            yield f"{build} holds less than {base} from {first} programs on, the fewest measured."
        else:
            low, high = (wording.number(pairs[i][0]) for i in (turn - 1, turn))
            yield f"{build} holds less than {base} from between {low} and {high} programs on."
