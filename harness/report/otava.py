# SPDX-License-Identifier: GPL-2.0-only
"""A folder of runs for apache-otava, which finds change points in series that have noise.

A CSV file for each table and build, a line a night and a column a reading that decides, and
``otava.yaml`` that names them: ``otava analyze TEST --config-file otava.yaml``, there.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.history import History
from harness.report.site.trends import TrendRow

CONFIG = "otava.yaml"


@dataclass(frozen=True, kw_only=True)
class OtavaTest:
    """One build with one group of settings."""

    name: str
    rows: tuple[TrendRow, ...]
    build: str

    @property
    def file(self) -> str:
        return f"{self.name}.csv"

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(_plain(f"{row.key.title} {row.key.unit}") for row in self.rows)


def files(given: History, rows: Sequence[TrendRow]) -> dict[str, str]:
    """What otava reads, by name. Nights on which nothing of a test is known have no line."""
    tests = tuple(_tests(rows))
    return {
        **{test.file: _csv(given, test) for test in tests},
        CONFIG: _config(tests),
    }


def _tests(rows: Sequence[TrendRow]) -> Iterator[OtavaTest]:
    groups: dict[tuple[str, str, str], dict[str, list[TrendRow]]] = {}
    for row in rows:
        key = (row.key.workload, row.key.pti, row.key.settings)
        for trend in row.trends:
            groups.setdefault(key, {}).setdefault(trend.build, []).append(row)
    names: dict[str, int] = {}
    for (workload, pti, _), builds in groups.items():
        for build, of_build in builds.items():
            name = _plain(f"{workload} pti {pti} {build}")
            names[name] = names.get(name, 0) + 1
            number = f"_{names[name]}" if names[name] > 1 else ""
            yield OtavaTest(name=name + number, rows=tuple(of_build), build=build)


def _csv(given: History, test: OtavaTest) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["time", "run", *test.columns])
    by_row = [
        next(trend.values for trend in row.trends if trend.build == test.build) for row in test.rows
    ]
    for number, night in enumerate(given.nights):
        values = [of_row[number] for of_row in by_row]
        if any(value is not None for value in values):
            shown = ["" if value is None else repr(value) for value in values]
            writer.writerow([night.created.replace("Z", "+0000"), night.run, *shown])
    return out.getvalue()


def _config(tests: Sequence[OtavaTest]) -> str:
    """Strings in JSON's form are YAML's too."""
    lines = ["tests:"]
    for test in tests:
        lines += [
            f"  {test.name}:",
            "    type: csv",
            f"    file: {json.dumps(test.file)}",
            "    time_column: time",
            "    attributes: [run]",
            "    metrics:",
        ]
        for column, row in zip(test.columns, test.rows, strict=True):
            direction = {"lower": -1, "higher": 1}.get(row.better, 1)
            lines.append(f"      {column}: {{direction: {direction}}}")
    return "".join(f"{line}\n" for line in lines)


def _plain(text: str) -> str:
    """A name that needs no quotes in YAML, a CSV head or a command line."""
    return re.sub(r"[^A-Za-z0-9]+", "_", text.replace("/s", " per second")).strip("_")
