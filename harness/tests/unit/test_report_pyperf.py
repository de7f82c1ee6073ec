# SPDX-License-Identifier: GPL-2.0-only
"""The pyperf export, read back by pyperf."""

from dataclasses import replace

import pyperf  # type: ignore[import-untyped]
import pytest

from harness.errors import DataError
from harness.model.reading import Reading, Source, Status, unknown
from harness.report import exports, pyperf_file
from harness.store.loading import LoadedRun
from harness.tests.unit import synthetic_runs as made

ORIGIN = "{origin=bpf_prog,window=measured}"


@pytest.fixture(scope="module")
def run() -> LoadedRun:
    return made.run(seeds=(1, 2, 3), fail=("trig-kprobe-execmem-ption-s2",))


def suite(run: LoadedRun) -> "pyperf.BenchmarkSuite":
    return pyperf.BenchmarkSuite.loads(exports.export(run, "pyperf"))


def test_values_per_seed(run: LoadedRun) -> None:
    name = "upstream/trig-kprobe/pti=on/workload/bench.hits{instance=0}"
    benchmark = suite(run).get_benchmark(name)
    given = [
        reading.value
        for record in run.records
        if (record.spec.variant, record.spec.pti) == ("upstream", "on")
        for reading in record.readings
        if reading.name == "bench.hits" and reading.labels == {"instance": "0"}
    ]
    assert list(benchmark.get_values()) == given
    assert [r.get_metadata()["seed"] for r in benchmark.get_runs()] == [1, 2, 3]


def test_every_value_above_0_is_there_and_no_other(run: LoadedRun) -> None:
    benchmarks = suite(run).get_benchmarks()
    groups: dict[str, list[float]] = {}
    for record in run.records:
        for reading in record.readings:
            if reading.value is not None:
                name = pyperf_file._name(record, reading)
                groups.setdefault(name, []).append(reading.value)
    held = {name for name, values in groups.items() if all(value > 0 for value in values)}
    assert {benchmark.get_name() for benchmark in benchmarks} == held
    assert held < set(groups)
    assert sum(b.get_nvalue() for b in benchmarks) == sum(len(groups[name]) for name in held)


def test_the_manifest_is_metadata(run: LoadedRun) -> None:
    metadata = suite(run).get_benchmarks()[0].get_metadata()
    assert metadata["execmem_run"] == run.manifest.run
    assert metadata["execmem_suite"] == "quick"
    assert metadata["kernel_image_sha256"].startswith("image-")
    assert "not above 0" in metadata["execmem_left_out"]


def test_units(run: LoadedRun) -> None:
    benchmarks = {b.get_name(): b for b in suite(run).get_benchmarks()}
    seconds = benchmarks["upstream/trig-kprobe/pti=on/model/window.seconds{window=measured}"]
    assert seconds.get_metadata()["unit"] == "second"
    memory = benchmarks["upstream/trig-kprobe/pti=on/kernel/direct_map.4k{at=open}"]
    assert memory.get_metadata()["unit"] == "byte"
    assert memory.median() == (8192 + 2048) * 1024


def test_units_that_differ_are_one_line(run: LoadedRun) -> None:
    def in_unit(unit: str) -> tuple[Reading, ...]:
        return (Reading(name="x", value=1, unit=unit, source=Source.KERNEL),)

    first, second, *_ = (r for r in run.records if r.spec.variant == "upstream" and r.readings)
    records = (
        replace(first, readings=in_unit("B")),
        replace(second, readings=in_unit("event"), spec=first.spec),
    )
    with pytest.raises(DataError, match="do not belong together"):
        exports.export(LoadedRun(run.manifest, records, ()), "pyperf")


def test_what_it_does_not_hold_is_said(run: LoadedRun) -> None:
    notes = exports.notes(run, "pyperf")
    assert any(note.startswith("1 failed trials") for note in notes)
    assert any("unknown readings" in note for note in notes)
    assert any("not above 0" in note for note in notes)
    assert exports.notes(run, "csv") == ()


def test_a_zero_takes_its_benchmark_out_and_an_unknown_its_seed(run: LoadedRun) -> None:
    def with_reading(record_seed: int, value: int | None) -> Reading:
        if value is None:
            return unknown("x", "event", Source.KERNEL, Status.NOT_COUNTED, "two\nlines")
        return Reading(name="x", value=value, unit="event", source=Source.KERNEL)

    def given(values: dict[int, int | None]) -> LoadedRun:
        records = tuple(
            replace(record, readings=(with_reading(seed, values[seed]),))
            for record in run.records
            if (record.spec.variant, record.spec.pti) == ("upstream", "on")
            for seed in [record.spec.seed]
        )
        return LoadedRun(run.manifest, records, ())

    (benchmark,) = suite(given({1: 7, 2: None, 3: 9})).get_benchmarks()
    assert list(benchmark.get_values()) == [7, 9]
    assert benchmark.get_metadata()["unknown_seeds"] == 1
    assert "1 benchmarks with a value that is not above 0" in exports.notes(
        given({1: 7, 2: 0, 3: 9}), "pyperf"
    )
