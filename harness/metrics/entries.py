# SPDX-License-Identifier: GPL-2.0-only
"""Short ways to write down a metric."""

from typing import Literal

from harness.metrics.metric import Metric
from harness.metrics.readers import (
    DataSum,
    Flushes,
    MissesByOrigin,
    PerfEvent,
    Reader,
    WindowSum,
)
from harness.model.reading_spec import Kind, Section

Better = Literal["", "lower", "higher"]


def itlb_events(
    name: str,
    title: str,
    meaning: str,
    *readers: WindowSum | Flushes | MissesByOrigin | PerfEvent,
    detail: bool = False,
    better: Better = "",
) -> Metric:
    """Events of the instruction TLB in a window."""
    return Metric(
        name=name,
        title=title,
        unit="event",
        section=Section.ITLB,
        kind=Kind.COUNT,
        better=better,
        detail=detail,
        meaning=meaning,
        readers=readers,
    )


def data_events(
    name: str, title: str, meaning: str, reader: DataSum, *, detail: bool = False
) -> Metric:
    """Events of loads and stores in a window."""
    return Metric(
        name=name,
        title=title,
        unit="event",
        section=Section.DATA_TLB,
        kind=Kind.COUNT,
        better="" if detail else "lower",
        detail=detail,
        meaning=meaning,
        readers=(reader,),
    )


def fact(
    name: str,
    title: str,
    unit: str,
    section: Section,
    meaning: str,
    *readers: Reader,
    kind: Kind = Kind.LEVEL,
    better: Better = "",
    detail: bool = False,
) -> Metric:
    """Anything else."""
    return Metric(
        name=name,
        title=title,
        unit=unit,
        section=section,
        kind=kind,
        better=better,
        detail=detail,
        meaning=meaning,
        readers=readers,
    )
