# SPDX-License-Identifier: GPL-2.0-only
"""Exports, read back with other people's parsers where there are any."""

import csv
import io
import json
import re
from dataclasses import replace

import kcidb_io  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from harness.errors import UserError
from harness.model.reading import Reading, Source, Status, unknown
from harness.report import exports, influx, openmetrics
from harness.store.loading import LoadedRun
from harness.tests.unit import synthetic_runs as made

KEY = r"(?:\\.|[^\\,= ])+"
FIELD = rf'({KEY})=("(?:\\.|[^"\\])*"|[^,\s"]+)'
AWKWARD = 'say "no", \\ a=b\nnext'


@pytest.fixture(scope="module")
def run() -> LoadedRun:
    given = made.run(seeds=(1, 2), pti=("on",), fail=("trig-kprobe-execmem-ption-s2",))
    odd = unknown("pmu.event", "event", Source.PERF, Status.NOT_COUNTED, AWKWARD, {"source": "x"})
    scaled = Reading(
        name="iTLB-load-misses", value=12, unit="event", source=Source.PERF, status=Status.SCALED
    )
    first = replace(given.records[0], readings=(*given.records[0].readings, odd, scaled))
    return LoadedRun(given.manifest, (first, *given.records[1:]), ())


def families_of(said: str) -> dict[str, Metric]:
    return {f.name: f for f in text_string_to_metric_families(said)}  # type: ignore[no-untyped-call]


def known(run: LoadedRun) -> int:
    return sum(r.value is not None for record in run.records for r in record.readings)


def unknowns(run: LoadedRun) -> int:
    return sum(r.value is None for record in run.records for r in record.readings)


def test_taints_that_are_not_known_are_no_zero(run: LoadedRun) -> None:
    known = tuple(replace(r, taints=("a", "b") if r.readings else None) for r in run.records)
    said = exports.export(LoadedRun(run.manifest, known, ()), "openmetrics")
    samples = families_of(said)["execmem_bench_trial_taints"].samples
    assert [s.value for s in samples] == [2.0] * sum(bool(r.readings) for r in run.records)
    assert "execmem_bench_trial_taints" not in families_of(exports.export(run, "openmetrics"))


def test_openmetrics_is_read_by_the_reference_parser(run: LoadedRun) -> None:
    said = exports.export(run, "openmetrics")
    assert said.endswith("# EOF\n")
    families = families_of(said)
    own = {"trial_ok", "trial_duration_seconds", "trial_readings", "run"}
    own |= {"reading_unknown", "run_created_seconds"}
    own = {f"execmem_bench_{name}" for name in own}
    assert own <= set(families)
    assert all(re.fullmatch(r"execmem_bench_[a-zA-Z0-9_]+", name) for name in families)
    samples = [s for name, f in families.items() if name not in own for s in f.samples]
    assert len(samples) == known(run)
    for family in families.values():
        assert not family.unit or family.name.endswith(family.unit)
    ok = families["execmem_bench_trial_ok"].samples
    assert [s.value for s in ok] == [1, 1, 1, 1, 1, 0]


def test_every_sample_has_its_time(run: LoadedRun) -> None:
    """Blocks are made of OpenMetrics only where each sample has one."""
    families = families_of(exports.export(run, "openmetrics"))
    assert all(s.timestamp is not None for f in families.values() for s in f.samples)


def test_openmetrics_values_and_base_units(run: LoadedRun) -> None:
    families = families_of(exports.export(run, "openmetrics"))
    sample = next(
        s
        for s in families["execmem_bench_direct_map_4k_bytes"].samples
        if s.labels["variant"] == "upstream" and s.labels["at"] == "open"
    )
    assert sample.value == (8192 + 2048) * 1024
    assert sample.labels["seed"] == "1"
    assert sample.labels["pti"] == "on"
    assert sample.timestamp is not None
    assert families["execmem_bench_window_seconds"].unit == "seconds"
    (scaled,) = families["execmem_bench_iTLB_load_misses_events"].samples
    assert scaled.labels["status"] == "scaled"


def test_openmetrics_unknown_is_absent_with_a_status(run: LoadedRun) -> None:
    families = families_of(exports.export(run, "openmetrics"))
    assert "execmem_bench_pmu_event_events" not in families
    assert "execmem_bench_direct_map_1g_bytes" not in families
    told = families["execmem_bench_reading_unknown"].samples
    assert len(told) == unknowns(run)
    awkward = next(s for s in told if s.labels["reading"] == "pmu.event")
    assert awkward.labels["reason"] == AWKWARD
    assert awkward.labels["status"] == "not_counted"
    assert awkward.labels["reading_source"] == "x"
    assert awkward.labels["source"] == "perf"


@pytest.mark.parametrize(
    ("unit", "suffix", "factor"),
    [
        ("kB", "bytes", 1024),
        ("us", "seconds", 1e-6),
        ("event", "events", 1),
        ("", "", 1),
        ("load/s", "load_per_second", 1),
        ("10^6/s", "per_second", 1e6),
        ("B/B", "ratio", 1),
        ("%", "", 1),
    ],
)
def test_openmetrics_units(unit: str, suffix: str, factor: float) -> None:
    assert openmetrics.unit_suffix(unit) == (suffix, factor)


def parse_influx(line: str) -> tuple[str, dict[str, str], dict[str, str], str]:
    """A line by the grammar of the protocol: measurement, tags, fields, time."""
    head = re.match(rf"((?:\\.|[^\\, ])+)((?:,{KEY}={KEY})*) ", line)
    assert head is not None, line
    rest = line[head.end() :]
    fields = re.match(rf"{FIELD}(?:,{FIELD})*", rest)
    assert fields is not None, line
    stamp = rest[fields.end() :].strip()
    assert stamp == "" or stamp.isdigit(), line

    def plain(said: str) -> str:
        return re.sub(r"\\(.)", r"\1", said)

    tags = re.findall(rf",({KEY})=({KEY})", head.group(2))
    return (
        plain(head.group(1)),
        {plain(k): plain(v) for k, v in tags},
        {plain(k): v for k, v in re.findall(FIELD, fields.group(0))},
        stamp,
    )


def test_influx(run: LoadedRun) -> None:
    parsed = [parse_influx(line) for line in exports.export(run, "influx").splitlines()]
    by_name: dict[str, list[tuple[str, dict[str, str], dict[str, str], str]]] = {}
    for point in parsed:
        by_name.setdefault(point[0], []).append(point)
    trials, readings = by_name["execmem_bench_trial"], by_name["execmem_bench"]
    assert [t[2]["ok"] for t in trials] == ["1.0"] * 5 + ["0.0"]
    assert [t[1].get("failure") for t in trials] == [None] * 5 + ["panic"]
    assert len(readings) == known(run)
    assert all(set(fields) == {"value"} for _, _, fields, _ in readings)
    assert {tags["status"] for _, tags, _, _ in readings} == {"ok", "scaled"}
    unknown_points = by_name["execmem_bench_unknown"]
    assert len(unknown_points) == unknowns(run)
    assert {tags["status"] for _, tags, _, _ in unknown_points} == {"not_supported", "not_counted"}
    assert all(fields == {"readings": "1.0"} for _, _, fields, _ in unknown_points)
    every = [*readings, *unknown_points]
    assert len({(tuple(sorted(t.items())), at) for _, t, _, at in every}) == len(every)
    assert {p[3] for p in parsed} == {"1767225610000000000"}


def test_no_field_is_a_string(run: LoadedRun) -> None:
    """A store that keeps numbers alone makes a series of zeros of each."""
    for text in exports.export(run, "influx").splitlines():
        _, _, fields, _ = parse_influx(text)
        assert all(float(value) == float(value) for value in fields.values())


def test_the_textfile_has_no_times_and_no_run(run: LoadedRun) -> None:
    text = exports.export(run, "textfile")
    samples = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(samples) > known(run)
    for sample in samples:
        _, _, rest = sample.rpartition("}")
        assert len(rest.split()) == 1, sample
        if not sample.startswith("execmem_bench_run_"):
            assert 'run="' not in sample
    assert text.count("execmem_bench_reading_unknown{") == unknowns(run)
    assert "# EOF" not in text


awkward_text = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1
)


@given(awkward_text, awkward_text)
def test_influx_escapes(tag: str, field: str) -> None:
    line = influx.line("m", {"tag": tag, "other": "o"}, {field: 1.5}, 7)
    assert "\n" not in line
    _, tags, fields, stamp = parse_influx(line)
    shown = influx.plain_tag(tag)
    assert tags.get("tag", "") == shown
    assert tags["other"] == "o"
    assert list(fields.values()) == ["1.5"]
    assert stamp == "7"


def test_kcidb_takes_it(run: LoadedRun) -> None:
    text = exports.export(run, "kcidb")
    document = json.loads(text)
    kcidb_io.schema.LATEST.validate(document)
    assert "null" not in text
    tests = document["tests"]
    assert len({test["id"] for test in tests}) == len(tests)
    builds = {build["id"] for build in document["builds"]}
    assert {test["build_id"] for test in tests} <= builds
    trials = [test for test in tests if test["path"] == "execmem-bench.trig-kprobe"]
    assert [test["status"] for test in trials] == ["PASS"] * 5 + ["ERROR"]
    assert "panic: Kernel panic" in trials[-1]["comment"]
    numbers = [test for test in tests if "number" in test]
    assert len(numbers) > 30
    assert {test["status"] for test in numbers} == {"DONE"}
    without = [test for test in tests if "number" not in test and test not in trials]
    assert {test["status"] for test in without} <= {"SKIP", "MISS", "ERROR"}


def test_kcidb_has_the_verdicts_of_the_kernels_own_tests(run: LoadedRun) -> None:
    verdicts = {"bpf/verifier 1": "pass", "mm.vmalloc": "fail", "odd": "skip"}
    judged = LoadedRun(run.manifest, (replace(run.records[0], verdicts=verdicts),), ())
    document = json.loads(exports.export(judged, "kcidb"))
    kcidb_io.schema.LATEST.validate(document)
    found = {t["path"]: t["status"] for t in document["tests"] if ".kernel." in t["path"]}
    assert found == {
        "execmem-bench.trig-kprobe.kernel.bpf_verifier_1": "PASS",
        "execmem-bench.trig-kprobe.kernel.mm_vmalloc": "FAIL",
        "execmem-bench.trig-kprobe.kernel.odd": "SKIP",
    }


def test_csv(run: LoadedRun) -> None:
    rows = list(csv.DictReader(io.StringIO(exports.export(run, "csv"), newline="")))
    assert tuple(rows[0]) == exports.CSV_COLUMNS
    by_status = {status: [r for r in rows if r["status"] == status] for status in Status}
    total = len(by_status[Status.OK]) + len(by_status[Status.SCALED])
    assert total == known(run)
    for row in rows:
        if row["name"]:
            assert (row["value"] != "") == (row["status"] in ("ok", "scaled"))
            assert isinstance(json.loads(row["labels"]), dict)
    (awkward,) = (r for r in rows if r["name"] == "pmu.event")
    assert awkward["reason"] == AWKWARD
    (failed,) = (r for r in rows if r["trial_status"] == "failed")
    assert failed["name"] == ""
    assert failed["reason"].startswith("panic: Kernel panic")


def test_csv_values_are_exact(run: LoadedRun) -> None:
    rows = csv.DictReader(io.StringIO(exports.export(run, "csv"), newline=""))
    values = [r["value"] for r in rows if r["value"]]
    given = [r.value for record in run.records for r in record.readings if r.value is not None]
    assert [type(v)(text) for v, text in zip(given, values, strict=True)] == given


def test_json_is_the_run(run: LoadedRun) -> None:
    document = json.loads(exports.export(run, "json"))
    assert document["schema"] == 1
    assert document["manifest"]["run"] == run.manifest.run
    assert len(document["records"]) == len(run.records)
    unknown_ones = [
        r for record in document["records"] for r in record["readings"] if r["value"] is None
    ]
    assert len(unknown_ones) == unknowns(run)


def test_markdown(run: LoadedRun) -> None:
    said = exports.export(run, "markdown")
    assert said.startswith("# upstream (baseline), bpf")
    assert "Failed trials" in said


def test_unknown_format(run: LoadedRun) -> None:
    with pytest.raises(UserError, match="--format 'xml'") as caught:
        exports.export(run, "xml")
    assert (
        "openmetrics, textfile, influx, kcidb, csv, json, markdown, pyperf, cyclonedx"
        in caught.value.remedy
    )


@pytest.mark.parametrize("format", list(exports.FORMATS))
def test_a_run_without_records(format: str) -> None:
    given = made.run(seeds=(1,))
    nothing = LoadedRun(given.manifest, (), ("nothing",))
    if format == "pyperf":  # which has no file without a benchmark
        with pytest.raises(UserError, match="no reading that pyperf holds"):
            exports.export(nothing, format)
        return
    said = exports.export(nothing, format)
    if format == "openmetrics":
        assert said.endswith("# EOF\n")
