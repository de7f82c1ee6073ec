# SPDX-License-Identifier: GPL-2.0-only
"""Nights made up for tests of the history: values that follow from inputs and seeds alone.

The figures are invented. A layout is what a build's text happens to lie like: it moves every
reading by seed, as a new kernel does without meaning to.
"""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from harness.model.reading import Reading, Source
from harness.model.records import Manifest, TrialRecord
from harness.model.specs import TrialSpec
from harness.store.loading import LoadedRun
from harness.tests.unit import synthetic_runs as made

BUILDS = ("upstream", "execmem")
SEEDS = (1, 2, 3, 4, 5)
LUCK = 0.05
ORIGINS = ("user", "kernel_image", "bpf_prog", "module")
FIRST = date(2026, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Lab:
    """What the trials of a night follow from."""

    kernels: Mapping[str, str] = field(default_factory=lambda: {b: f"image-{b}" for b in BUILDS})
    layouts: Mapping[str, str] = field(default_factory=dict)  # by build
    factors: Mapping[str, float] = field(default_factory=dict)  # of 4 kB walks, by build
    changes: Mapping[str, Any] = field(default_factory=dict)  # fields of the manifest
    fault: int = 0  # added to a reading of each trial, by no input at all

    def with_kernel(self, build: str, image: str) -> "Lab":
        """A new kernel, whose text lies elsewhere."""
        return replace(
            self,
            kernels={**self.kernels, build: image},
            layouts={**self.layouts, build: image},
        )

    def with_factor(self, build: str, factor: float) -> "Lab":
        """So many times the 4 kB walks, at every seed."""
        return replace(self, factors={**self.factors, build: factor})


def readings(lab: Lab, spec: TrialSpec) -> tuple[Reading, ...]:
    build = spec.variant
    layout = lab.layouts.get(build, "")
    out = []
    for name, size in (("itlb.walk_completed_4k", 60_000), ("itlb.walk_completed_2m_4m", 9_000)):
        total = 0
        for origin in ORIGINS:
            luck = random.Random(f"{build}-{layout}-{spec.pti}-{spec.seed}-{name}-{origin}")
            factor = lab.factors.get(build, 1.0) if name.endswith("4k") else 1.0
            value = round(size * factor * math.exp(luck.gauss(0, LUCK))) + lab.fault
            total += value
            out.append(_count(name, value, origin=origin))
        out.append(_count(name, total, origin="all"))
    state = Reading(
        name="bpf.text.pages_4k",
        value={"upstream": 56, "execmem": 0}[build],
        unit="page",
        source=Source.KERNEL,
        labels={"at": "close"},
    )
    return (*out, state)


def _count(name: str, value: int, **labels: str) -> Reading:
    return Reading(
        name=name,
        value=value,
        unit="event",
        source=Source.MODEL,
        labels={**labels, "window": "measured"},
    )


def record(lab: Lab, spec: TrialSpec) -> TrialRecord:
    return replace(made.record(spec), readings=readings(lab, spec), notes=())


def manifest(lab: Lab, trials: Sequence[TrialSpec], night: int) -> Manifest:
    day = FIRST + timedelta(days=night)
    base = made.manifest(trials, f"{day:%Y%m%d}T010000Z-nightly-00000000")
    kernels = tuple(replace(k, image_sha256=lab.kernels[k.name]) for k in base.kernels)
    return replace(
        base, created=f"{day:%Y-%m-%d}T01:00:00Z", kernels=kernels, suite="nightly", **lab.changes
    )


def night(
    lab: Lab, number: int, *, seeds: Sequence[int] = SEEDS, fail: Sequence[str] = ()
) -> LoadedRun:
    """The run of one night; trials of the builds in ``fail`` have failed."""
    trials = [made.spec(b, s, p) for s in seeds for p in ("on", "off") for b in BUILDS]
    records = tuple(made.failed(t) if t.variant in fail else record(lab, t) for t in trials)
    return LoadedRun(manifest(lab, trials, number), records, ())
