# SPDX-License-Identifier: GPL-2.0-only
"""What loads and stores found in the TLBs, where the model follows them. Data only."""

from harness.metrics.entries import data_events
from harness.metrics.metric import Metric
from harness.metrics.readers import DataSum

DATA_SIDE: tuple[Metric, ...] = (
    data_events(
        "dtlb.walk_completed_4k",
        "data, 4 kB walks",
        "loads and stores that missed both TLB levels and found a 4 kB page; only where the model "
        "follows them (`--data-side`)",
        DataSum(count="walks_4k"),
    ),
    data_events(
        "dtlb.walk_completed_2m_4m",
        "data, 2 MB walks",
        "the same, 2 MB pages",
        DataSum(count="walks_2m"),
    ),
    data_events(
        "dtlb.walk_completed_1g",
        "data, 1 GB walks",
        "the same, 1 GB pages",
        DataSum(count="walks_1g"),
    ),
    data_events(
        "dtlb.stlb_hit",
        "data, STLB hits",
        "loads and stores that missed the first-level data TLB and hit the second level",
        DataSum(count="stlb_hits"),
    ),
    data_events(
        "dtlb.lookups",
        "data, lookups",
        "loads and stores that the model looked up: those to another page than the one before",
        DataSum(count="lookups"),
        detail=True,
    ),
)
