# SPDX-License-Identifier: GPL-2.0-only
"""A run as OpenMetrics text, written by the Prometheus project's own client.

Names: ``execmem_bench_<reading>_<unit>`` with base units (seconds, bytes). Every sample
carries the trial's settings as labels and the time at which the trial began.

Unknown readings have no sample under their own name; each has one in
``execmem_bench_reading_unknown`` (value 1) with its status and reason, and
``execmem_bench_trial_readings`` counts a trial's readings by status, and
``execmem_bench_trial_taints`` what its kernel warned of.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as prometheus_text
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from harness.metrics.catalogue import Catalogue, of_workload
from harness.model.reading import Reading, Status
from harness.model.records import Manifest, TrialRecord, TrialStatus
from harness.model.trial_settings import SETTINGS, setting_text
from harness.store.loading import LoadedRun

PREFIX = "execmem_bench"

UNITS: dict[str, tuple[str, float]] = {
    "s": ("seconds", 1),
    "ms": ("seconds", 1e-3),
    "us": ("seconds", 1e-6),
    "ns": ("seconds", 1e-9),
    "kB": ("bytes", 1024),
    "B": ("bytes", 1),
    "B/B": ("ratio", 1),
    "10^6/s": ("per_second", 1e6),
}
"""Unit of a reading -> unit suffix and factor; others: their own name, made plural."""


def render(run: LoadedRun) -> str:
    """``run`` as OpenMetrics text; it ends in ``# EOF``."""
    text: bytes = generate_latest(_registry(run, textfile=False))  # type: ignore[no-untyped-call]
    return text.decode()


def render_textfile(run: LoadedRun) -> str:
    """``run`` for the textfile collector of Prometheus' node_exporter: without times, which it
    refuses, and without the run among the labels, so that a series goes on the next night."""
    return prometheus_text(_registry(run, textfile=True)).decode()


def _registry(run: LoadedRun, *, textfile: bool) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Run(run, textfile))
    return registry


def unit_suffix(unit: str) -> tuple[str, float]:
    """Suffix of the metric's name and the factor to the base unit.

    >>> unit_suffix("kB"), unit_suffix("event"), unit_suffix("")
    (('bytes', 1024), ('events', 1), ('', 1))
    """
    if unit in UNITS:
        return UNITS[unit]
    words = re.sub(r"/s$", "/second", unit).replace("/", "_per_")
    plain = re.sub(r"[^a-zA-Z0-9_]+", "_", words).strip("_")
    if plain and "_per_" not in plain and not plain.endswith("s"):
        plain += "s"
    return plain, 1


def metric_name(reading: str) -> str:
    """A valid name for ``reading``: ``itlb.walks`` -> ``execmem_bench_itlb_walks``."""
    return f"{PREFIX}_" + re.sub(r"[^a-zA-Z0-9_]+", "_", reading).strip("_")


class _Run(Collector):
    def __init__(self, run: LoadedRun, textfile: bool) -> None:
        self._run = run
        self._textfile = textfile

    def collect(self) -> Iterator[Metric]:
        families: dict[tuple[str, str], Metric] = {}
        manifest = self._run.manifest
        began = None if self._textfile else _timestamp(manifest.created)
        yield _info(manifest, began)
        yield _created(manifest, began)
        ok = _gauge(f"{PREFIX}_trial_ok", "1 when the trial gave a result, 0 when it failed.", "")
        wall = _gauge(f"{PREFIX}_trial_duration", "Wall time of the trial on the host.", "seconds")
        taints = _gauge(f"{PREFIX}_trial_taints", "Warnings of the guest's kernel.", "")
        counts = _gauge(f"{PREFIX}_trial_readings", "Readings of the trial by status.", "")
        unknown = _gauge(
            f"{PREFIX}_reading_unknown", "1 for each reading that has no value, with why.", ""
        )
        known = {
            workload: of_workload(workload, [manifest])
            for workload in {record.spec.workload for record in self._run.records}
        }
        for record in self._run.records:
            labels = trial_labels(manifest, record)
            at = _timestamp(record.started)
            if self._textfile:
                at = None
                del labels["run"]
            _add(ok, labels, float(record.status is TrialStatus.OK), at)
            _add(wall, labels, record.wall_seconds, at)
            if record.taints is not None:
                _add(taints, labels, len(record.taints), at)
            for status, count in Counter(r.status.value for r in record.readings).items():
                _add(counts, {**labels, "status": status}, count, at)
            for reading in record.readings:
                _sample(families, unknown, labels, reading, at, known[record.spec.workload])
        yield from (family for family in (ok, wall, taints, counts, unknown) if family.samples)
        yield from families.values()


def _sample(
    families: dict[tuple[str, str], Metric],
    unknown: Metric,
    trial: dict[str, str],
    reading: Reading,
    at: float | None,
    catalogue: Catalogue,
) -> None:
    suffix, factor = unit_suffix(reading.unit)
    name = metric_name(reading.name)
    labels = {**trial, **_label_names(reading.labels, trial), "source": reading.source.value}
    if reading.value is None:
        why = {
            "reading": reading.name,
            "status": reading.status.value,
            "reason": reading.reason,
        }
        _add(unknown, {**labels, **why}, 1, at)
        return
    if reading.status is Status.SCALED:
        labels["status"] = reading.status.value
    family = families.get((name, suffix))
    if family is None:
        known = catalogue.find(reading.name, reading.unit)
        text = known.meaning or known.title
        family = _gauge(name, f"{text[:1].upper()}{text[1:]}.", suffix)
        families[name, suffix] = family
    _add(family, labels, reading.value * factor, at)


def _gauge(name: str, text: str, unit: str) -> Metric:
    full = name if not unit or name.endswith(f"_{unit}") else f"{name}_{unit}"
    return Metric(full, text, "gauge", unit)


def _add(family: Metric, labels: dict[str, str], value: float, at: float | None) -> None:
    family.add_sample(family.name, labels, value, timestamp=at)


def _info(manifest: Manifest, at: float | None) -> Metric:
    family = Metric(f"{PREFIX}_run", "Provenance of the run.", "info")
    labels = {
        "run": manifest.run,
        "suite": manifest.suite,
        "created": manifest.created,
        "program_version": manifest.program_version,
        "program_commit": manifest.program_commit,
        "qemu_version": manifest.qemu_version,
        "baseline": manifest.baseline,
    }
    family.add_sample(f"{PREFIX}_run_info", labels, 1, timestamp=at)
    return family


def _created(manifest: Manifest, at: float | None) -> Metric:
    family = _gauge(f"{PREFIX}_run_created", "When the run began.", "seconds")
    began = _timestamp(manifest.created)
    if began is not None:
        _add(family, {"suite": manifest.suite}, began, at)
    return family


def trial_labels(manifest: Manifest, record: TrialRecord) -> dict[str, str]:
    """The labels of every sample of a trial."""
    spec = record.spec
    return {
        "run": manifest.run,
        "suite": manifest.suite,
        "variant": spec.variant,
        "workload": spec.workload,
        "seed": str(spec.seed),
        "repeat": str(spec.repeat),
        **{
            name: setting_text(value) for name, value in spec.values.items() if SETTINGS[name].label
        },
    }


def _label_names(labels: Mapping[str, str], taken: dict[str, str]) -> dict[str, str]:
    """Labels of a reading under valid names that no label of the trial has."""
    out: dict[str, str] = {}
    for key, value in labels.items():
        name = re.sub(r"[^a-zA-Z0-9_]+", "_", key).lstrip("_") or "label"
        name = f"l{name}" if name[0].isdigit() else name
        out[f"reading_{name}" if name in taken or name == "source" else name] = value
    return out


def _timestamp(started: str) -> float | None:
    """Seconds since the epoch of an ISO 8601 moment; None when it is not given."""
    try:
        return datetime.fromisoformat(started).timestamp() if started else None
    except ValueError:
        return None
