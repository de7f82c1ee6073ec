# SPDX-License-Identifier: GPL-2.0-only
"""Statistics and comparison of saved runs; pure, from the records alone."""

from harness.analysis.compare import compare
from harness.analysis.comparison import Comparison

__all__ = ["Comparison", "compare"]
