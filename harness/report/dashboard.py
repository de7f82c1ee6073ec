# SPDX-License-Identifier: GPL-2.0-only
"""The dashboard and the rules for what ``export`` gives to Prometheus and what speaks its language.

``python -m harness.report.dashboard`` writes both to ``results/dashboards/`` from the panels and
alerts below; the names of the series are those of the export.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.metrics.catalogue import MEASURED
from harness.paths import PROJECT
from harness.report.openmetrics import PREFIX, metric_name, unit_suffix

FOLDER = PROJECT / "results" / "dashboards"
GRAFANA, RULES = "grafana.json", "prometheus-rules.yml"
CHOSEN = {"workload": "$workload", "pti": "$pti", "profile": "$profile"}
"""What the user of the dashboard chooses."""
WIDTH, HEIGHT, ACROSS = 8, 8, 3
STALE_S = 36 * 3600
"""A night is missed when the newest run is older than this."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A reading of each build over the nights: the median over the seeds."""

    title: str
    reading: str
    unit: str  # of the reading
    labels: Mapping[str, str] = field(default_factory=dict)
    shown: str = "short"  # Grafana's unit


def _events(title: str, reading: str, **labels: str) -> Panel:
    return Panel(title=title, reading=reading, unit="event", labels=labels)


def _in_window(title: str, reading: str, origin: str) -> Panel:
    return _events(title, f"itlb.{reading}", origin=origin, window=MEASURED)


def _at_close(title: str, reading: str, unit: str, shown: str = "short") -> Panel:
    return Panel(title=title, reading=reading, unit=unit, labels={"at": "close"}, shown=shown)


PANELS: tuple[Panel, ...] = (
    _in_window("4 kB walks in the window, all text", "walk_completed_4k", "all"),
    _in_window("4 kB walks in the window, BPF programs", "walk_completed_4k", "bpf_prog"),
    _in_window("2 MB walks in the window, all text", "walk_completed_2m_4m", "all"),
    _in_window("second-level hits in the window, BPF programs", "stlb_hit", "bpf_prog"),
    _at_close("4 kB pages of BPF text", "bpf.text.pages_4k", "page"),
    _at_close("2 MB pages of BPF text", "bpf.text.pages_2m", "page"),
    _at_close("memory held for BPF text", "bpf.text.held_bytes", "B", "bytes"),
    _events("remote TLB flushes while loading", "tlb.remote_flush", phase="load", source="kernel"),
    _events("2 MB entries split while loading", "direct_map.splits_2m", phase="load"),
)


def selector(labels: Mapping[str, str]) -> str:
    """``{a="1",b="2"}``."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def series(reading: str, unit: str) -> str:
    """The name under which ``export`` gives ``reading``."""
    name, (suffix, _) = metric_name(reading), unit_suffix(unit)
    return name if not suffix or name.endswith(f"_{suffix}") else f"{name}_{suffix}"


def query(panel: Panel) -> str:
    """The panel's query: medians over seeds, by build."""
    found = series(panel.reading, panel.unit) + selector({**CHOSEN, **panel.labels})
    return f"quantile by (variant) (0.5, {found})"


def queries() -> dict[str, str]:
    """Every query of the dashboard, by the panel's title. Where the store has no trial, none
    says 0."""
    ok = f"{PREFIX}_trial_ok"
    failed = f"count by (variant) ({ok} == 0) or 0 * count by (variant) ({ok})"
    return {
        **{panel.title: query(panel) for panel in PANELS},
        "trials without a result": failed,
        "readings that are not known": f"count by (variant, status) ({PREFIX}_reading_unknown)",
        "the newest run": f"{PREFIX}_run_info",
    }


def grafana() -> dict[str, Any]:
    """The dashboard in Grafana's classic JSON, its data source a variable."""
    source = {"type": "prometheus", "uid": "${datasource}"}
    panels = []
    for number, (title, expression) in enumerate(queries().items()):
        known = next((p for p in PANELS if p.title == title), None)
        table = title == "the newest run"
        panels.append(
            {
                "id": number + 1,
                "type": "table" if table else "timeseries",
                "title": title,
                "datasource": source,
                "gridPos": {
                    "h": HEIGHT,
                    "w": WIDTH,
                    "x": number % ACROSS * WIDTH,
                    "y": number // ACROSS * HEIGHT,
                },
                "targets": [
                    {
                        "refId": "A",
                        "datasource": source,
                        "expr": expression,
                        "legendFormat": "{{variant}} {{status}}",
                        "instant": table,
                        "format": "table" if table else "time_series",
                    }
                ],
                "fieldConfig": {
                    "defaults": {
                        "unit": known.shown if known else "short",
                        "custom": {} if table else {"drawStyle": "line", "showPoints": "always"},
                    },
                    "overrides": [],
                },
            }
        )
    return {
        "uid": "execmem-bench",
        "title": "execmem-bench",
        "description": "What the way a kernel allocates executable memory for BPF does, by night",
        "tags": ["kernel", "bpf"],
        "schemaVersion": 39,
        "editable": True,
        "timezone": "browser",
        "time": {"from": "now-30d", "to": "now"},
        "refresh": "",
        "templating": {"list": [_data_source(), *map(_variable, CHOSEN)]},
        "panels": panels,
    }


def _data_source() -> dict[str, Any]:
    return {
        "name": "datasource",
        "label": "data source",
        "type": "datasource",
        "query": "prometheus",
        "hide": 0,
    }


def _variable(label: str) -> dict[str, Any]:
    return {
        "name": label,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": f"label_values({PREFIX}_trial_ok, {label})", "refId": label},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
    }


ALERTS: Mapping[str, tuple[str, str]] = {
    "ExecmemBenchTrialFailed": (
        f"{PREFIX}_trial_ok == 0",
        "{{ $labels.workload }} on {{ $labels.variant }}, pti={{ $labels.pti }}, seed "
        "{{ $labels.seed }} has no result",
    ),
    "ExecmemBenchNoNight": (
        f"time() - {PREFIX}_run_created_seconds > {STALE_S}",
        "the newest run of suite {{ $labels.suite }} is {{ $value | humanizeDuration }} old",
    ),
    "ExecmemBenchWritableAndExecutable": (
        f"{series('wx.mappings', 'mapping')}{selector({'at': 'close'})} > 0",
        "{{ $labels.variant }} has {{ $value }} mappings that are writable and executable",
    ),
}
"""Expression and summary of each alert."""


def rules() -> str:
    """The rules as Prometheus reads them."""
    lines = [
        "# SPDX-License-Identifier: GPL-2.0-only",
        "# Written by python -m harness.report.dashboard.",
        "groups:",
        "  - name: execmem-bench",
        "    rules:",
    ]
    for name, (expression, summary) in ALERTS.items():
        lines += [
            f"      - alert: {name}",
            f"        expr: {json.dumps(expression)}",
            "        annotations:",
            f"          summary: {json.dumps(summary)}",
        ]
    return "".join(f"{line}\n" for line in lines)


def files() -> dict[str, str]:
    """What is in the folder, by name."""
    return {GRAFANA: json.dumps(grafana(), indent=1) + "\n", RULES: rules()}


def write(folder: Path = FOLDER) -> None:
    """Write the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
