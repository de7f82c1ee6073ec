# SPDX-License-Identifier: GPL-2.0-only
"""Builds on which ``bench`` loaded different numbers of its programs."""

from collections.abc import Iterable, Mapping, Sequence

from harness.model.reading import Reading, Status

LOADED, ALL = "bench.programs_loaded", "bench.programs"


def note(trials: Iterable[tuple[str, Sequence[Reading]]]) -> str:
    """What to say at a table of ``trials`` (build, its readings); "" for nothing.

    Builds with equal numbers, or without these readings, need no word.
    """
    shown: dict[str, list[str]] = {}
    for build, readings in trials:
        count = _text(readings)
        if count and count not in shown.setdefault(build, []):
            shown[build].append(count)
    if len({count for counts in shown.values() for count in counts}) < 2:
        return ""
    each = ", ".join(f"{build} {' and '.join(counts)}" for build, counts in shown.items())
    return (
        f"bench loads different numbers of its programs: {each}. Only one of them runs, but all "
        "of them take text and memory"
    )


def _text(readings: Sequence[Reading]) -> str:
    values: Mapping[str, int | float | None] = {
        r.name: r.value for r in readings if r.name in (LOADED, ALL) and r.status is Status.OK
    }
    if len(values) < 2:
        return ""
    return f"{values[LOADED]} of {values[ALL]}"
