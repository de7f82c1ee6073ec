# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own tests, counted by verdict. Data only."""

from harness.analysis.made import fact
from harness.analysis.metric import Metric, Section
from harness.model import Source


def _tests(name: str, title: str, unit: str, meaning: str, better: str = "") -> Metric:
    return fact(
        name, title, unit, Section.TESTS, meaning, better=better, sources=(Source.WORKLOAD,)
    )


TESTS: tuple[Metric, ...] = (
    _tests("test.passed", "tests passed", "test", "tests and subtests that passed", "higher"),
    _tests("test.failed", "tests failed", "test", "tests that failed, crashed or hung", "lower"),
    _tests("test.skipped", "tests skipped", "test", "tests that say they cannot be run here"),
    _tests("test.jited", "programs JITed", "program", "of those that `test_bpf.ko` ran", "higher"),
    _tests("test.not_jited", "programs not JITed", "program", "the others of them", "lower"),
    _tests("test.rate", "test programs", "test/s", "ended per second of guest time, side by side"),
)
