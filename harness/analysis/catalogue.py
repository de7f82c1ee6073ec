# SPDX-License-Identifier: GPL-2.0-only
"""Look-ups in the known readings, and how their labels are grouped.

A reading that is not listed is compared as well, as a level, under its own name.
``results/README.md`` documents every entry; a unit test holds that it does.
"""

from harness.analysis.metric import Kind, Metric, Section
from harness.analysis.metrics import METRICS

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in METRICS}
ORDER: dict[str, int] = {metric.name: at for at, metric in enumerate(METRICS)}

MEASURED = "measured"
"""The window that every workload has: its ``measure``, between the edges open and close."""
PROBE = "probe-"
"""Windows whose names begin so are for rows made of them, not for tables of their own."""

COUNTED_CALLS = frozenset(
    {
        "tlb.remote_flush",
        "tlb.remote_flush_received",
        "direct_map.splits",
        "tlb.remote_flush.per_1k_loads",
    }
)
"""Of source ``model`` these are counted calls of the kernel's functions; tables show them
where the kernel's own counters are not known."""

SECONDS = "window.seconds"
OPERATIONS = "ops"

ORIGIN_GROUPS: dict[str, tuple[str, ...]] = {
    "bpf": ("bpf_prog", "bpf_trampoline", "bpf_dispatcher"),
    "rest": ("module", "ftrace_trampoline", "kprobe", "other"),
}
"""Sums of origins made for tables, beside the origins as read."""

INSTANCE_MEANS = frozenset({"bench.hits"})
"""Readings by instance whose mean is made for tables, beside the instances as read."""

ORIGIN_TITLES: dict[str, str] = {
    "all": "all text",
    "bpf": "BPF text",
    "kernel_image": "kernel image",
    "user": "user text",
    "corunner": "of it, the co-runner's",
    "rest": "other text",
}
"""Origins that tables show, in order."""


def metric(name: str, unit: str) -> Metric:
    """The entry for ``name``; one made up as a level in ``unit`` when it is not listed."""
    known = BY_NAME.get(name)
    if known is not None:
        return known
    return Metric(name=name, title=name, unit=unit, section=Section.OTHER, kind=Kind.LEVEL)
