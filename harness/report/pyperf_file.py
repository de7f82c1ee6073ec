# SPDX-License-Identifier: GPL-2.0-only
"""A run as pyperf's JSON, written by pyperf itself: ``python -m pyperf show|stats|compare_to``.

A benchmark is a reading with its labels of a build and workload; its runs are the seeds, with
one value each. The manifest is metadata. pyperf holds values above 0 only: a benchmark with
another one is left out as a whole, since the rest of its seeds would tell something else; of
one with unknown values the known ones are held. ``left_out`` counts all of that.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyperf  # type: ignore[import-untyped]

from harness.errors import DataError, UserError
from harness.model.reading import Reading
from harness.model.records import Manifest, TrialRecord, TrialStatus
from harness.store.loading import LoadedRun

UNITS: Mapping[str, tuple[str, float]] = {
    "s": ("second", 1),
    "ms": ("second", 1e-3),
    "us": ("second", 1e-6),
    "ns": ("second", 1e-9),
    "B": ("byte", 1),
    "kB": ("byte", 1024),
}
"""Unit of a reading -> pyperf's and the factor to it; any other is its ``integer``."""


@dataclass
class _Benchmark:
    """The values of one benchmark as they are collected."""

    unit: str
    values: list[tuple[TrialRecord, Reading]] = field(default_factory=list)
    unknown: int = 0

    @property
    def holdable(self) -> bool:
        return bool(self.values) and all((r.value or 0) > 0 for _, r in self.values)


def render(run: LoadedRun) -> str:
    """``run`` as the text of a pyperf file. Raises UserError where no reading can be held,
    DataError for readings that do not belong together."""
    common = {"execmem_left_out": "; ".join(left_out(run))}
    benchmarks = [
        _benchmark(name, [_run(name, one, *pair, run.manifest, common) for pair in one.values])
        for name, one in _benchmarks(run).items()
        if one.holdable
    ]
    if not benchmarks:
        raise UserError(
            f"run {run.manifest.run} has no reading that pyperf holds: {'; '.join(left_out(run))}",
            "choose another --format",
        )
    out = io.StringIO()
    pyperf.BenchmarkSuite(benchmarks).dump(out)
    return out.getvalue().rstrip("\n") + "\n"


def _benchmark(name: str, runs: Sequence[pyperf.Run]) -> pyperf.Benchmark:
    try:
        return pyperf.Benchmark(runs)
    except ValueError as error:  # units that differ
        raise DataError(
            f"readings {name} do not belong together: {error}",
            "correct the records, or leave pyperf",
        ) from error


def left_out(run: LoadedRun) -> tuple[str, ...]:
    """What of ``run`` the file does not hold, one sentence each."""
    benchmarks = _benchmarks(run).values()
    unknown = sum(one.unknown for one in benchmarks)
    outside = [one for one in benchmarks if one.values and not one.holdable]
    failed = sum(record.status is not TrialStatus.OK for record in run.records)
    other = len({one.unit for one in benchmarks} - set(UNITS))
    counts = (
        (unknown, f"{unknown} unknown readings: a seed without a value has no run"),
        (len(outside), f"{len(outside)} benchmarks with a value that is not above 0"),
        (failed, f"{failed} failed trials"),
        (
            other,
            f"{other} units that pyperf does not know: shown as integers, metadata reading_unit",
        ),
        (
            sum(bool(record.verdicts) for record in run.records),
            "verdicts of the kernel's own tests",
        ),
        (sum(bool(record.sites) for record in run.records), "the texts with most misses (sites)"),
    )
    return tuple(text for count, text in counts if count)


def _benchmarks(run: LoadedRun) -> dict[str, _Benchmark]:
    by_name: dict[str, _Benchmark] = {}
    for record in run.records:
        for reading in record.readings:
            one = by_name.setdefault(_name(record, reading), _Benchmark(unit=reading.unit))
            if reading.value is None:
                one.unknown += 1
            else:
                one.values.append((record, reading))
    return by_name


def _name(record: TrialRecord, reading: Reading) -> str:
    """``build/workload/pti=on/model/itlb.walks{origin=all}``: equal in two runs that may be
    compared, since all else is equal in a run."""
    spec = record.spec
    labels = ",".join(f"{key}={value}" for key, value in sorted(reading.labels.items()))
    parts = (spec.variant, spec.workload, f"pti={spec.pti}", reading.source.value, reading.name)
    return "/".join(parts) + (f"{{{labels}}}" if labels else "")


def _run(
    name: str,
    one: _Benchmark,
    record: TrialRecord,
    reading: Reading,
    manifest: Manifest,
    common: Mapping[str, str],
) -> pyperf.Run:
    unit, factor = UNITS.get(reading.unit, ("integer", 1))
    assert reading.value is not None
    value = reading.value * factor if factor != 1 else reading.value
    about = {
        "name": name,
        "unit": unit,
        "reading_unit": reading.unit,
        "reading_status": reading.status.value,
        "seed": record.spec.seed,
        "date": record.started,
        "unknown_seeds": one.unknown,
        **common,
        **_manifest(manifest, record.spec.variant),
    }
    return pyperf.Run([value], metadata=_plain(about), collect_metadata=False)


def _manifest(manifest: Manifest, variant: str) -> dict[str, object]:
    kernel = next((k for k in manifest.kernels if k.name == variant), None)
    keys = ("run", "suite", "program_version", "program_commit", "baseline", "qemu_version")
    hashes = ("plugin_sha256", "bench_sha256", "profile_sha256", "counters_reason")
    return {
        **{f"execmem_{key}": getattr(manifest, key) for key in (*keys, *hashes)},
        **({f"kernel_{k}": getattr(kernel, k) for k in KERNEL_KEYS} if kernel else {}),
        **({"kernel_boot": " ".join(kernel.boot)} if kernel else {}),
        **{HOST.get(key, f"host_{key}"): value for key, value in manifest.host.items()},
    }


KERNEL_KEYS = ("release", "base", "compiler", "image_sha256", "config_sha256", "series_sha256")
HOST = {"cpu": "cpu_model_name", "kernel": "platform", "python": "python_version"}
"""Facts of the host that pyperf has names of its own for."""


def _plain(values: Mapping[str, object]) -> dict[str, str | int]:
    """Metadata as pyperf takes it: one line each, none empty."""
    out: dict[str, str | int] = {}
    for key, value in values.items():
        plain = value if isinstance(value, int) else " ".join(str(value).split())
        if plain != "":
            out[key] = plain
    return out
