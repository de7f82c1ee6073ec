# SPDX-License-Identifier: GPL-2.0-only
"""results/README.md says what the catalogue says, and names what records hold."""

import dataclasses

from harness.analysis.metric import Metric
from harness.analysis.metrics import METRICS
from harness.model import Manifest, Source, Status, TrialRecord
from harness.paths import RESULTS

README = (RESULTS / "README.md").read_text(encoding="utf-8")


def line(metric: Metric) -> str:
    """The metric's line in the table of readings."""
    sources = ", ".join(source.value for source in metric.sources)
    return f"| `{metric.name}` | {metric.unit} | {sources} | {metric.meaning} |"


def test_every_reading_is_described() -> None:
    wanted = "\n".join(line(metric) for metric in METRICS)
    assert wanted in README, f"the table of readings must be:\n{wanted}"


def test_every_field_is_described() -> None:
    for cls in (Manifest, TrialRecord):
        for field in dataclasses.fields(cls):
            assert f"`{field.name}" in README or f'"{field.name}"' in README, field.name


def test_every_status_and_source_is_described() -> None:
    for value in (*Status, *Source):
        assert f"`{value.value}`" in README
