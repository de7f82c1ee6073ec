# SPDX-License-Identifier: GPL-2.0-only
"""The trial matrix: which trials a run makes, and in which order."""

import math
import random
from collections.abc import Mapping, Sequence

from harness.errors import UserError
from harness.model.specs import Scalar, SuiteSpec, TrialSpec, WorkloadSpec
from harness.model.trial_settings import SUITE_SETTINGS, Counters


def trials(
    suite: SuiteSpec,
    variants: Sequence[str],
    workloads: Sequence[WorkloadSpec],
    counters: Counters,
    params: Mapping[str, Scalar],
) -> tuple[TrialSpec, ...]:
    """All trials of ``suite`` on ``variants``.

    Interleaved, so that an interrupted run has every build at some seeds rather than one
    build at all: seed by seed, within a seed the builds in an order shuffled by the seed.
    ``params`` overrides the suite's, which override the workload's defaults.
    Raises UserError for a parameter that the workload does not have.
    """
    out: list[TrialSpec] = []
    for seed in suite.seeds:
        order = list(variants)
        random.Random(seed).shuffle(order)
        for workload in workloads:
            merged = merge_params(workload, suite.params.get(workload.name, {}), params)
            for settings in suite.settings:
                values = {name: getattr(settings, name) for name in SUITE_SETTINGS}
                values["counters"] = counters
                values["memory_mib"] = settings.memory_mib or workload.memory_mib
                out += [
                    TrialSpec(
                        variant=variant,
                        workload=workload.name,
                        seed=seed,
                        params=merged,
                        **values,
                    )
                    for variant in order
                ]
    return tuple(out)


MOST = (1 << 63) - 1
"""The largest integer that every reader of a result can hold, and less one the smallest."""


def _check_bounds(workload: str, key: str, value: Scalar) -> None:
    """Refuse what cannot be told to a guest or written to a result."""
    if isinstance(value, int) and not -MOST <= value <= MOST:
        raise UserError(
            f"workload {workload}: parameter {key} is an integer of {value.bit_length()} bits",
            f"give one from {-MOST} to {MOST}",
        )
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            why = f"workload {workload}: parameter {key}={value!r}"
            raise UserError(why, "give it as UTF-8") from error


def merge_params(workload: WorkloadSpec, *overrides: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The workload's parameters with ``overrides`` laid over them in turn.

    Raises UserError for a key the workload lacks, a value of another type, a number that is not
    finite or has more than 64 bits, and a text that is no UTF-8.
    """
    merged = dict(workload.params)
    for layer in overrides:
        for key, value in layer.items():
            if key not in merged:
                raise UserError(
                    f"workload {workload.name} has no parameter {key!r}",
                    f"it has: {', '.join(merged) or 'none'}",
                )
            default = merged[key]
            _check_bounds(workload.name, key, value)
            if isinstance(default, float) and isinstance(value, int):
                value = float(value)
            if type(value) is not type(default):
                raise UserError(
                    f"workload {workload.name}: parameter {key}={value!r}",
                    f"it takes a {type(default).__name__}, like {default!r}",
                )
            if isinstance(value, float) and not math.isfinite(value):
                raise UserError(
                    f"workload {workload.name}: parameter {key}={value}", "give a finite number"
                )
            merged[key] = value
    return merged
