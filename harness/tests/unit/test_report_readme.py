# SPDX-License-Identifier: GPL-2.0-only
"""results/README.md names what records hold; its table of readings is test_metrics'."""

import dataclasses

from harness.model.reading import Source, Status
from harness.model.records import Manifest, TrialRecord
from harness.paths import RESULTS

README = (RESULTS / "README.md").read_text(encoding="utf-8")


def test_every_field_is_described() -> None:
    for cls in (Manifest, TrialRecord):
        for field in dataclasses.fields(cls):
            assert f"`{field.name}" in README or f'"{field.name}"' in README, field.name


def test_every_status_and_source_is_described() -> None:
    for value in (*Status, *Source):
        assert f"`{value.value}`" in README
