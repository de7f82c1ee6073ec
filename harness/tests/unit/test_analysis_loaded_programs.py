# SPDX-License-Identifier: GPL-2.0-only
"""Builds that load different numbers of bench's programs are said at the table."""

import pytest

from harness.analysis import loaded_programs
from harness.model.reading import Reading, Source, Status


def readings(loaded: int | None, total: int = 7) -> list[Reading]:
    if loaded is None:
        return []
    return [
        Reading(name=name, value=value, unit="program", source=Source.WORKLOAD)
        for name, value in ((loaded_programs.LOADED, loaded), (loaded_programs.ALL, total))
    ]


@pytest.mark.parametrize(
    "trials", [[], [("a", 7), ("b", 7)], [("a", 5), ("b", 5)], [("a", None), ("b", 5)]]
)
def test_equal_numbers_need_no_word(trials: list[tuple[str, int | None]]) -> None:
    assert loaded_programs.note((build, readings(count)) for build, count in trials) == ""


def test_different_numbers_are_said_by_build() -> None:
    trials = [("a", readings(7)), ("b", readings(5)), ("b", readings(5)), ("c", readings(None))]
    assert loaded_programs.note(trials).startswith(
        "bench loads different numbers of its programs: a 7 of 7, b 5 of 7. "
    )


def test_seeds_of_one_build_can_differ_too() -> None:
    assert ": a 7 of 7 and 5 of 7." in loaded_programs.note(
        [("a", readings(7)), ("a", readings(5))]
    )


def test_an_unknown_number_is_no_number() -> None:
    unknown = [
        Reading(
            name=loaded_programs.LOADED,
            value=None,
            unit="program",
            source=Source.WORKLOAD,
            status=Status.NOT_COUNTED,
            reason="x",
        ),
        *readings(7)[1:],
    ]
    assert loaded_programs.note([("a", unknown), ("b", readings(7))]) == ""
