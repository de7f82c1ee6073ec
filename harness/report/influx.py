# SPDX-License-Identifier: GPL-2.0-only
"""A run as InfluxDB line protocol.

One measurement, ``execmem_bench``; the reading's name is the tag ``reading``. The field
``value`` is always a float (one type per field, or the database refuses the line; exact up
to 2**53), and there are no others: a store that keeps numbers alone makes a 0 of a string. An
unknown reading is no point of ``execmem_bench`` but one of ``execmem_bench_unknown``, with its
status as a tag; why is in the record. Trials are points of ``execmem_bench_trial``.

https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

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
        failure = {"failure": record.failure.kind} if record.failure else {}
        yield line(f"{MEASUREMENT}_trial", {**tags, **failure}, _trial_fields(record), at)
        for reading in record.readings:
            labels = {
                (f"reading_{key}" if key in tags or key in OWN_TAGS else key): v
                for key, v in reading.labels.items()
            }
            about = (reading.name, reading.source.value, reading.unit, reading.status.value)
            every = {**tags, **labels, **dict(zip(OWN_TAGS, about, strict=True))}
            if reading.value is None:
                yield line(f"{MEASUREMENT}_unknown", every, {"readings": 1.0}, at)
            else:
                yield line(MEASUREMENT, every, {"value": float(reading.value)}, at)


OWN_TAGS = ("reading", "source", "unit", "status")
"""Tags of a reading beside its labels and those of its trial."""


def _trial_fields(record: TrialRecord) -> dict[str, float]:
    return {
        "ok": float(record.status is TrialStatus.OK),
        "wall_seconds": float(record.wall_seconds),
    }


def line(
    measurement: str,
    tags: Mapping[str, str],
    fields: Mapping[str, float],
    at: int | None,
) -> str:
    """One line: tags sorted, empty tags left out (the protocol has none), fields sorted."""
    pairs = [
        f",{_escaped(key)}={_escaped(value)}"
        for key, value in sorted(tags.items())
        if plain_tag(value)
    ]
    values = ",".join(f"{_escaped(k)}={v!r}" for k, v in sorted(fields.items()))
    stamp = "" if at is None else f" {at}"
    return f"{measurement}{''.join(pairs)} {values}{stamp}"


def plain_tag(text: str) -> str:
    """What a tag can hold of ``text``: line breaks become spaces, backslashes slashes.

    A backslash in a tag means itself or an escape by what follows it; readers differ.
    """
    return " ".join(text.splitlines()).replace("\\", "/")


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in ",= " else c for c in plain_tag(text))


def nanoseconds(started: str) -> int | None:
    """Nanoseconds since the epoch of an ISO 8601 moment; None when it is not given."""
    try:
        moment = datetime.fromisoformat(started)
    except ValueError:
        return None
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000
