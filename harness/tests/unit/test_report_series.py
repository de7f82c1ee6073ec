# SPDX-License-Identifier: GPL-2.0-only
"""Readings by cycle: one line with some points, whatever the number of cycles."""

from dataclasses import replace

import pytest

from harness.analysis import compare
from harness.model.reading import Reading, Source
from harness.report import tables
from harness.store.loading import LoadedRun
from harness.tests.unit import synthetic_runs as made


def aged(cycles: int, values: dict[str, list[float]]) -> LoadedRun:
    """A run whose trials have a reading by cycle: that of the build, by its values."""
    run = made.run(seeds=(1, 2))
    records = []
    for record in run.records:
        curve = [
            Reading(
                name="direct_map.splits_2m",
                value=values[record.spec.variant][cycle],
                unit="event",
                source=Source.KERNEL,
                labels={"cycle": str(cycle)},
            )
            for cycle in range(cycles)
        ]
        records.append(replace(record, readings=(*record.readings, *curve)))
    return run._replace(records=tuple(records))


def lines(run: LoadedRun) -> list[tables.Line]:
    block = compare([run]).blocks[0]
    return [line for line in tables.table(block).lines if "cycle" in line.title]


def test_a_curve_is_one_line_of_seven_points() -> None:
    rising = [float(n) for n in range(12)]
    (line,) = lines(
        aged(12, {"upstream": rising, "bpf_prog_pack": [0.0] * 12, "execmem": [0.0] + [3.0] * 11})
    )
    assert line.title == "2 MB entries split to 4 kB, cycle 0, 2, 4, 6, 7, 9, 11"
    assert [c.value for c in line.cells] == [
        "0 → 2 → 4 → 6 → 7 → 9 → 11",
        "0",
        "0 → 3 → 3 → 3 → 3 → 3 → 3",
    ]


@pytest.mark.parametrize("cycles", [1, 2, 5])
def test_few_cycles_are_all_shown(cycles: int) -> None:
    flat = [1.0] * cycles
    (line,) = lines(aged(cycles, dict.fromkeys(made.VARIANTS, flat)))
    assert line.title.endswith("cycle " + ", ".join(map(str, range(cycles))))
    assert {c.value for c in line.cells} == {"1"}


def test_a_curve_of_nothing_is_in_the_footnote() -> None:
    run = aged(3, dict.fromkeys(made.VARIANTS, [0.0] * 3))
    assert lines(run) == []
    table = tables.table(compare([run]).blocks[0])
    assert any("2 MB entries split to 4 kB" in note for note in table.footnotes)
