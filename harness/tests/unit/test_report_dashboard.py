# SPDX-License-Identifier: GPL-2.0-only
"""The dashboard and the rules name series that an export of a real trial has."""

import json
import re
from pathlib import Path

import pytest

from harness.report import dashboard
from harness.report.exports import export
from harness.store import load_run
from harness.tests.unit.recorded_machine import started

NAME = re.compile(r"execmem_bench_[a-z0-9_]+")


@pytest.fixture(scope="module")
def exported(captured: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What node_exporter would be given of a run."""
    outcome = started(captured, tmp_path_factory.mktemp("run"), seeds=(1,))
    return export(load_run(outcome.path), "textfile")


def test_the_files_are_those_of_the_definitions() -> None:
    for name, text in dashboard.files().items():
        path = dashboard.FOLDER / name
        assert path.read_text() == text, f"{name}: run python -m harness.report.dashboard"
    assert {path.name for path in dashboard.FOLDER.iterdir()} == set(dashboard.files())


def test_every_query_and_alert_names_a_series_that_is_exported(exported: str) -> None:
    known = set(NAME.findall(exported))
    asked = [*dashboard.queries().values(), *(e for e, _ in dashboard.ALERTS.values())]
    for expression in asked:
        names = NAME.findall(expression)
        assert names
        assert set(names) <= known, expression


@pytest.mark.parametrize("panel", dashboard.PANELS, ids=lambda panel: panel.title)
def test_every_panel_chooses_samples_of_a_real_run(exported: str, panel: dashboard.Panel) -> None:
    name = dashboard.series(panel.reading, panel.unit)
    lines = [line for line in exported.splitlines() if line.startswith(f"{name}{{")]
    chosen = [line for line in lines if all(f'{k}="{v}"' in line for k, v in panel.labels.items())]
    assert chosen, f"{name}: {panel.labels} is in none of {len(lines)} samples"


def test_no_query_makes_a_0_of_nothing() -> None:
    assert not [query for query in dashboard.queries().values() if "vector(" in query]


def test_the_data_source_is_a_variable() -> None:
    document = json.loads((dashboard.FOLDER / dashboard.GRAFANA).read_text())
    names = [variable["name"] for variable in document["templating"]["list"]]
    assert names == ["datasource", "workload", "pti", "profile"]
    for panel in document["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in document["panels"]]
    assert len(places) == len(set(places))
