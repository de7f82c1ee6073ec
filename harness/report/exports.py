# SPDX-License-Identifier: GPL-2.0-only
"""One saved run in the formats that other programs read.

An unknown reading has no value in any of them: it is absent, or its field is empty, and
its status and reason stand beside it. Nothing is written as 0 that was not read as 0.
"""

import csv
import io
from collections.abc import Callable, Mapping

import msgspec

from harness.analysis.compare import compare
from harness.errors import UserError
from harness.model.reading import Reading
from harness.model.records import Manifest, TrialRecord
from harness.model.trial_settings import SETTINGS, setting_text
from harness.report import bill, influx, kcidb, openmetrics, pyperf_file
from harness.report.markdown import render
from harness.store.loading import LoadedRun

CSV_COLUMNS = (
    "run",
    "trial",
    "trial_status",
    "variant",
    "workload",
    "seed",
    "repeat",
    *SETTINGS,
    "params",
    "started",
    "name",
    "labels",
    "source",
    "unit",
    "status",
    "value",
    "reason",
)


def to_csv(run: LoadedRun) -> str:
    """One line per reading (RFC 4180); a trial without readings has one line.

    ``params`` and ``labels`` are JSON objects; ``value`` is empty when it is not known,
    then ``status`` and ``reason`` say why.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for record in run.records:
        head = _csv_trial(run.manifest, record)
        failure = record.failure
        why = f"{failure.kind}: {failure.message}" if failure else ""
        if not record.readings:
            writer.writerow([*head, "", "", "", "", "", "", why])
        for reading in record.readings:
            writer.writerow([*head, *_csv_reading(reading)])
    return out.getvalue()


def _csv_trial(manifest: Manifest, record: TrialRecord) -> list[str | int]:
    spec = record.spec
    return [
        manifest.run,
        record.trial,
        record.status.value,
        spec.variant,
        spec.workload,
        spec.seed,
        spec.repeat,
        *map(setting_text, spec.values.values()),
        _object(spec.params),
        record.started,
    ]


def _csv_reading(reading: Reading) -> list[str]:
    return [
        reading.name,
        _object(reading.labels),
        reading.source.value,
        reading.unit,
        reading.status.value,
        "" if reading.value is None else repr(reading.value),
        reading.reason,
    ]


def _object(value: Mapping[str, object]) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def to_json(run: LoadedRun) -> str:
    """The run as one JSON document: ``schema``, ``manifest``, ``records``, ``problems``."""
    document = {
        "schema": run.manifest.schema,
        "manifest": run.manifest,
        "records": run.records,
        "problems": run.problems,
    }
    return msgspec.json.format(msgspec.json.encode(document)).decode() + "\n"


def to_markdown(run: LoadedRun) -> str:
    """The run's comparison, as the terminal shows it."""
    return render(compare([run]))


FORMATS: dict[str, Callable[[LoadedRun], str]] = {
    "openmetrics": openmetrics.render,
    "textfile": openmetrics.render_textfile,
    "influx": influx.render,
    "kcidb": kcidb.render,
    "csv": to_csv,
    "json": to_json,
    "markdown": to_markdown,
    "pyperf": pyperf_file.render,
    "cyclonedx": bill.render,
}


FILE_NAMES: dict[str, str] = {
    "openmetrics": "readings.om",
    "textfile": "readings.prom",
    "influx": "readings.influx",
    "kcidb": "kcidb.json",
    "csv": "readings.csv",
    "json": "run.json",
    "markdown": "answer.md",
    "pyperf": "pyperf.json",
    "cyclonedx": "sbom.cdx.json",
}
"""What a night calls the file of each format, in the folder of its run."""


def notes(run: LoadedRun, format: str) -> tuple[str, ...]:
    """What of ``run`` the format does not hold; the others hold all that they are for."""
    return pyperf_file.left_out(run) if format == "pyperf" else ()


def export(run: LoadedRun, format: str) -> str:
    """``run`` as text in ``format``, one of ``FORMATS``. Raises UserError for another."""
    if format not in FORMATS:
        raise UserError(f"--format {format!r}", f"give one of: {', '.join(FORMATS)}")
    return FORMATS[format](run)
