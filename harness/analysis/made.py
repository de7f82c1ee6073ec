# SPDX-License-Identifier: GPL-2.0-only
"""Short ways to write down a metric."""

from harness.analysis.metric import Kind, Metric, Section
from harness.model import Source

MODEL = (Source.MODEL,)
BOTH = (Source.MODEL, Source.PERF)


def itlb(
    name: str,
    title: str,
    meaning: str,
    *,
    detail: bool = False,
    better: str = "",
    sources: tuple[Source, ...] = MODEL,
) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit="event",
        section=Section.ITLB,
        kind=Kind.COUNT,
        better=better,
        detail=detail,
        meaning=meaning,
        sources=sources,
    )


def fact(
    name: str,
    title: str,
    unit: str,
    section: Section,
    meaning: str,
    *,
    kind: Kind = Kind.LEVEL,
    better: str = "",
    detail: bool = False,
    sources: tuple[Source, ...] = (Source.KERNEL,),
) -> Metric:
    return Metric(
        name=name,
        title=title,
        unit=unit,
        section=section,
        kind=kind,
        better=better,
        detail=detail,
        meaning=meaning,
        sources=sources,
    )
