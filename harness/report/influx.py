# SPDX-License-Identifier: GPL-2.0-only
"""A run as InfluxDB line protocol.

One measurement, ``execmem_bench``; the reading's name is the tag ``reading``. The field
``value`` is always a float (one type per field, or the database refuses the line; exact up
to 2**53); ``status`` and, where there is one, ``reason`` are strings. An unknown reading
has no field ``value``. Trials are points of ``execmem_bench_trial``.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from harness.model.reading import Reading
from harness.model.records import TrialRecord, TrialStatus
from harness.report.openmetrics import trial_labels
from harness.store.loading import LoadedRun

MEASUREMENT = "execmem_bench"


def render(run: LoadedRun) -> str:
    """``run`` as lines, one per trial and one per reading."""
    return "".join(f"{line}\n" for line in _lines(run))


def _lines(run: LoadedRun) -> Iterator[str]:
    for record in run.records:
        tags = trial_labels(run.manifest, record)
        at = nanoseconds(record.started)
        yield line(f"{MEASUREMENT}_trial", tags, _trial_fields(record), at)
        for reading in record.readings:
            labels = {
                (
                    f"reading_{key}" if key in tags or key in ("reading", "source", "unit") else key
                ): v
                for key, v in reading.labels.items()
            }
            about = {"reading": reading.name, "source": reading.source.value, "unit": reading.unit}
            yield line(MEASUREMENT, {**tags, **labels, **about}, _reading_fields(reading), at)


def _trial_fields(record: TrialRecord) -> dict[str, float | str | bool]:
    fields: dict[str, float | str | bool] = {
        "ok": record.status is TrialStatus.OK,
        "wall_seconds": float(record.wall_seconds),
    }
    if record.failure:
        fields["failure"] = f"{record.failure.kind}: {record.failure.message}"
    return fields


def _reading_fields(reading: Reading) -> dict[str, float | str | bool]:
    fields: dict[str, float | str | bool] = {"status": reading.status.value}
    if reading.value is not None:
        fields["value"] = float(reading.value)
    if reading.reason:
        fields["reason"] = reading.reason
    return fields


def line(
    measurement: str,
    tags: Mapping[str, str],
    fields: Mapping[str, float | str | bool],
    at: int | None,
) -> str:
    """One line: tags sorted, empty tags left out (the protocol has none), fields sorted."""
    pairs = [
        f",{_escaped(key)}={_escaped(value)}"
        for key, value in sorted(tags.items())
        if plain_tag(value)
    ]
    values = ",".join(f"{_escaped(k)}={_field(v)}" for k, v in sorted(fields.items()))
    stamp = "" if at is None else f" {at}"
    return f"{measurement}{''.join(pairs)} {values}{stamp}"


def plain_tag(text: str) -> str:
    """What a tag can hold of ``text``: line breaks become spaces, backslashes slashes.

    A backslash in a tag means itself or an escape by what follows it; readers differ.
    """
    return " ".join(text.splitlines()).replace("\\", "/")


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in ",= " else c for c in plain_tag(text))


def _field(value: float | str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        plain = " ".join(value.splitlines())
        return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def nanoseconds(started: str) -> int | None:
    """Nanoseconds since the epoch of an ISO 8601 moment; None when it is not given."""
    try:
        moment = datetime.fromisoformat(started)
    except ValueError:
        return None
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000
