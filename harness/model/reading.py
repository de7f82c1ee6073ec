# SPDX-License-Identifier: GPL-2.0-only
"""One value with its status, its source and its labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """Whether a reading can be believed. Only ``ok`` and ``scaled`` carry a value."""

    OK = "ok"
    SCALED = "scaled"  # multiplexed: extrapolated from part of the time
    NOT_SUPPORTED = "not_supported"  # the machine, kernel or QEMU has no such thing
    NOT_COUNTED = "not_counted"  # it exists, but nothing was counted
    FAILED = "failed"  # it should have been read and could not be


class Source(StrEnum):
    """Where a reading comes from. Readings of different sources are never compared."""

    MODEL = "model"  # the iTLB model in the QEMU plugin
    PERF = "perf"  # perf stat in the guest
    KERNEL = "kernel"  # files of the guest kernel: /proc, debugfs, bpf(2)
    WORKLOAD = "workload"  # what the workload itself printed or timed
    HOST = "host"  # wall time and the like, taken outside the guest


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One value with all that is needed to believe it.

    ``value`` is None exactly when ``status`` is neither ok nor scaled; then ``reason``
    says why. ``labels`` tell readings of one name apart (origin, phase, at, window,
    instance ...).
    """

    name: str
    value: int | float | None
    unit: str
    source: Source
    status: Status = Status.OK
    labels: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def __post_init__(self) -> None:
        has_value = self.status in (Status.OK, Status.SCALED)
        if has_value != (self.value is not None):
            raise ValueError(f"reading {self.name}: status {self.status} with value {self.value}")

    @property
    def key(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """What identifies the reading within one trial: name, source, labels."""
        return (self.name, str(self.source), tuple(sorted(self.labels.items())))


def unknown(
    name: str,
    unit: str,
    source: Source,
    status: Status,
    reason: str,
    labels: Mapping[str, str] | None = None,
) -> Reading:
    """A reading without a value; ``reason`` says why there is none."""
    return Reading(
        name=name,
        value=None,
        unit=unit,
        source=source,
        status=status,
        labels=labels or {},
        reason=reason,
    )
