# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own tests, counted by verdict. Data only."""

from harness.metrics.entries import Better, fact
from harness.metrics.metric import Metric
from harness.metrics.readers import Emitted
from harness.model.reading_spec import Section


def _tests(name: str, title: str, meaning: str, better: Better = "") -> Metric:
    emitted = Emitted(module="kernel_tests")
    return fact(name, title, "test", Section.TESTS, meaning, emitted, better=better)


TESTS: tuple[Metric, ...] = (
    _tests("test.passed", "tests passed", "tests and subtests that passed", "higher"),
    _tests("test.failed", "tests failed", "tests that failed, crashed or hung", "lower"),
    _tests("test.skipped", "tests skipped", "tests that say they cannot be run here"),
)
