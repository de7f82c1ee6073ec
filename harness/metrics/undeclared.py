# SPDX-License-Identifier: GPL-2.0-only
"""Readings that a workload emits and does not declare: kept, and told."""

from collections.abc import Iterable

from harness.metrics.catalogue import BY_NAME
from harness.metrics.readers import Emitted
from harness.model.reading import Reading, Source
from harness.model.reading_spec import ReadingSpec


def undeclared_notes(
    readings: Iterable[Reading], declared: Iterable[ReadingSpec]
) -> tuple[str, ...]:
    """What to say of each reading of source ``workload`` that is not as ``declared``, once."""
    units = {one.name: one.unit for one in declared if one.quotient is None}
    units |= {
        metric.name: metric.unit
        for metric in BY_NAME.values()
        if any(isinstance(reader, Emitted) for reader in metric.readers)
    }
    lines: dict[str, None] = {}
    for reading in readings:
        if reading.source is not Source.WORKLOAD:
            continue
        if reading.name not in units:
            lines[f"reading {reading.name} is not declared: add it to [[readings]]"] = None
        elif reading.unit != units[reading.name]:
            lines[
                f"reading {reading.name} is in {reading.unit!r}, not in "
                f"{units[reading.name]!r} as declared"
            ] = None
    return tuple(lines)
