# SPDX-License-Identifier: GPL-2.0-only
"""The readings that are known by name, in the order of the tables."""

from harness.analysis.metric import Metric
from harness.analysis.metrics_direct_map import DIRECT_MAP
from harness.analysis.metrics_itlb import ITLB
from harness.analysis.metrics_memory import MEMORY
from harness.analysis.metrics_tests import TESTS
from harness.analysis.metrics_text import TEXT
from harness.analysis.metrics_work import WORK

METRICS: tuple[Metric, ...] = (*ITLB, *TEXT, *DIRECT_MAP, *MEMORY, *WORK, *TESTS)
