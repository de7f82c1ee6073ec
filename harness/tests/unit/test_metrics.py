# SPDX-License-Identifier: GPL-2.0-only
"""What is read is in the catalogue, and what is in it is read; workloads declare their own."""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import msgspec
import pytest

from harness.analysis.compare import compare
from harness.config import definitions
from harness.counters import events, readings
from harness.counters.readings import RawTrial
from harness.errors import DataError, UserError
from harness.metrics import readme, shipped
from harness.metrics.catalogue import BY_NAME, METRICS, Catalogue, of_workload, read_by
from harness.metrics.readers import Clock, Computed, Emitted, Flushes, Level, Table, When
from harness.metrics.undeclared import undeclared_notes
from harness.model.reading import Reading, Source
from harness.model.reading_spec import Kind, Quotient, ReadingSpec, Section
from harness.model.records import Manifest, TrialRecord
from harness.model.specs import WorkloadSpec
from harness.model.trial_settings import Counters
from harness.paths import PROJECT, WORKLOADS
from harness.store.loading import LoadedRun
from harness.tests.unit import synthetic_runs as made
from harness.tests.unit.captured_trials import (
    MIXED,
    SNAPSHOTS,
    VARIANTS,
    changed,
    coalesced,
    followed,
    spec,
    trial,
)
from harness.tests.unit.test_counters_cycles import BUDDY, aged
from harness.tests.unit.test_counters_facts import HISTOGRAM

AGENT = PROJECT / "harness" / "guest" / "agent"
EDGES = ("baseline", "open", "close", "end")


def busy() -> RawTrial:
    """A captured trial with all that a guest can be asked for: perf beside the model, a cycle,
    a trace, modules, an allocator with statistics, a kernel that heals its direct map; a CPU with
    coalesced entries."""
    raw = aged()
    files = {**raw.files, "cycle-0/proc/buddyinfo": BUDDY.encode()}
    for edge in (*EDGES, "cycle-0"):
        files[f"{edge}/proc/vmstat"] += (
            b"direct_map_level2_collapses 1\ndirect_map_level3_collapses 0\n"
        )
        files[f"{edge}/tracing/tlb_flush"] = HISTOGRAM.encode()
        files[f"{edge}/execmem/stats"] = b"bytes_used 1\n"
        files[f"{edge}/proc/modules"] = trial(MIXED).files["workload/proc_modules"]
    zen = events.for_cpu(events.Cpu(vendor=events.AMD, family=0x19, model=0x11))
    assert raw.report is not None
    raw = replace(raw, report=followed(coalesced(raw.report)), perf_events=zen)
    return changed(raw, files=files, absent={}, perf_status=129)


@cache
def read() -> frozenset[tuple[str, str, Source]]:
    """Name, unit and source of every reading of the captured trials."""
    trials = [*(trial(name) for name in (*VARIANTS, MIXED, SNAPSHOTS)), busy()]
    return frozenset(
        (r.name, r.unit, r.source)
        for raw in trials
        for r in readings.of_trial(spec(Counters.BOTH), raw).readings
    )


def known(name: str, unit: str, source: Source) -> bool:
    metric = BY_NAME.get(name)
    return metric is not None and metric.unit == unit and source in metric.sources


def test_every_name_once() -> None:
    assert len(BY_NAME) == len(METRICS)
    assert len({metric.title for metric in METRICS}) == len(METRICS)
    assert all(metric.readers and metric.meaning for metric in METRICS)


def test_what_is_read_is_in_the_catalogue() -> None:
    """With its unit and its source."""
    wrong = {
        (name, unit, source)
        for name, unit, source in read()
        if source is not Source.WORKLOAD and not known(name, unit, source)
    }
    assert not wrong


def test_what_is_in_the_catalogue_is_read() -> None:
    names = {(name, source) for name, _, source in read()}
    never = {
        (metric.name, source)
        for metric in METRICS
        for source in metric.sources
        if (metric.name, source) not in names and source not in (Source.HOST, Source.WORKLOAD)
    }
    assert not never
    assert {m.name for m, clock in read_by(Clock) if clock.source is Source.HOST} == {
        "trial.wall_seconds"
    }


def test_events_of_every_cpu_are_in_the_catalogue() -> None:
    for part in events.PARTS:
        for event in part.events:
            assert Source.PERF in BY_NAME[event.reading].sources


def test_flushes_that_the_model_counts_have_metrics() -> None:
    """As the plugin's report names them."""
    source = (PROJECT / "harness/itlb/src/report.c").read_text()
    (names,) = re.findall(r"flush_names\[[^]]*\] = \{([^}]*)\}", source)
    assert set(re.findall(r'"(\w+)"', names)) == {reader.kind for _, reader in read_by(Flushes)}


def test_counts_are_differences_and_levels_are_not() -> None:
    for metric, _ in read_by(Level):
        assert metric.kind is Kind.LEVEL
    assert {metric.kind for metric, _ in read_by(Table)} == {Kind.LEVEL, Kind.COUNT}
    cycles = {m.name for m, reader in read_by(Computed) if When.CYCLES in reader.when}
    assert cycles == {"bpf.text.held_bytes"}


# Workloads.


def emitted(path: Path) -> Iterator[tuple[str, str]]:
    """(name, unit) of each call of ``emit`` in a Python file; both must be literals."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        if node.func.attr == "emit":
            name, _, unit = node.args[:3]
            assert isinstance(name, ast.Constant), f"{path}:{node.lineno}: name is not a literal"
            assert isinstance(unit, ast.Constant), f"{path}:{node.lineno}: unit is not a literal"
            yield str(name.value), str(unit.value)


@pytest.mark.parametrize("name", definitions.workload_folders())
def test_a_workload_emits_what_it_declares(name: str) -> None:
    workload, folder = definitions.workload(name)
    declared = {(r.name, r.unit) for r in workload.readings if r.quotient is None}
    assert {pair for path in folder.glob("*.py") for pair in emitted(path)} == declared


def test_what_the_agent_emits_is_in_the_catalogue() -> None:
    """By its modules, which any workload may use."""
    catalogued = {(reader.module, m.name, m.unit) for m, reader in read_by(Emitted)}
    assert {
        (path.stem, *pair) for path in AGENT.glob("*.py") for pair in emitted(path)
    } == catalogued


def test_quotients_are_of_readings_that_there_are() -> None:
    for name, declared in shipped.declarations().items():
        own = {one.name for one in declared}
        for one in declared:
            if one.quotient is not None:
                assert one.quotient.of in own | set(BY_NAME), name
                assert one.quotient.per in own, name
                assert one.unit == BY_NAME[one.quotient.of].unit, name


def test_readings_that_workloads_share_are_declared_alike() -> None:
    known: dict[str, ReadingSpec] = {}
    for declared in shipped.declarations().values():
        for one in declared:
            assert known.setdefault(one.name, one) == one


def test_shipped_declarations_are_those_of_the_definitions() -> None:
    assert {
        n: definitions.workload(n)[0].readings for n in definitions.workload_folders()
    } == shipped.declarations()


HEAD = 'name = "w"\nquestion = "q"\nmodule = "m.py"\n'
READING = '[[readings]]\nname = "a.time"\nunit = "ns"\ntitle = "time"\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[[readings]]\nname = "a"\nunit = "s"\n', r"readings\[0\]: .*required field `title`"),
        (READING + "titel = 1\n", r"unknown key 'readings\[0\]\.titel'.*did you mean 'title'"),
        (READING + READING, r"readings\[1\]\.name: 'a\.time' is declared before"),
        (READING.replace("a.time", "itlb.walks"), r"readings\[0\]\.name: 'itlb.walks' is a"),
        (READING + 'better = "fewer"\n', r"readings\[0\]\.better: .*fewer"),
        (READING + 'section = "mine"\n', r"readings\[0\]\.section: .*mine"),
        (READING + 'quotient = { of = "ops" }\n', r"readings\[0\]\.quotient: .*`per`"),
        (
            READING + 'quotient = { of = "ops", per = "x", time = 1 }\n',
            r"unknown key 'readings\[0\]\.quotient\.time'.*did you mean 'times'",
        ),
        ('readings = "none"\n', r"readings: Expected `array`"),
        ("readings = [1]\n", r"readings\[0\]: Expected `object`"),
    ],
)
def test_a_declaration_that_is_wrong_is_refused_with_its_path(text: str, why: str) -> None:
    with pytest.raises(UserError, match=why):
        definitions.parse(HEAD + text, WorkloadSpec, "w/workload.toml")


def test_a_declaration_has_sensible_defaults() -> None:
    (one,) = definitions.parse(HEAD + READING, WorkloadSpec, "w/workload.toml").readings
    assert one == ReadingSpec(name="a.time", unit="ns", title="time")
    assert (one.section, one.kind, one.better) == (Section.WORK, Kind.LEVEL, "")


def own(name: str, unit: str, source: Source = Source.WORKLOAD) -> Reading:
    return Reading(name=name, value=1, unit=unit, source=source)


def test_what_is_not_declared_is_noted_once() -> None:
    declared = [
        ReadingSpec(name="a.time", unit="ns", title="time"),
        ReadingSpec(name="a.rate", unit="1/s", title="", quotient=Quotient(of="ops", per="x")),
    ]
    fine = [own("a.time", "ns"), own("test.passed", "test"), own("itlb.walks", "", Source.MODEL)]
    assert undeclared_notes(fine, declared) == ()
    strange = [own("a.time", "ms"), own("a.rate", "1/s"), own("b", "s"), own("b", "s")]
    assert undeclared_notes(strange, declared) == (
        "reading a.time is in 'ms', not in 'ns' as declared",
        "reading a.rate is not declared: add it to [[readings]]",
        "reading b is not declared: add it to [[readings]]",
    )


def forked(declared: tuple[ReadingSpec, ...] | None) -> LoadedRun:
    """A run of a workload that does not come with the program."""
    one = made.spec(workload="not-shipped")
    record: TrialRecord = made.record(one)
    time = own("fork.time", "ns")
    record = replace(record, readings=(*record.readings, time))
    manifest: Manifest = made.manifest([one])
    if declared is not None:
        manifest = replace(manifest, readings={"not-shipped": declared})
    # As it would be read from the disk.
    again = msgspec.json.decode(msgspec.json.encode(manifest), type=Manifest)
    return LoadedRun(again, (record,), ())


def test_a_run_keeps_what_its_workload_declared() -> None:
    declared = ReadingSpec(name="fork.time", unit="ns", title="time to fork", better="lower")
    (block,) = compare([forked((declared,))]).blocks
    names = [row.metric.name for row in block.rows]
    assert block.rows[names.index("fork.time")].metric == declared
    assert names.index("fork.time") < names.index("ops"), "a workload's own work first"
    (block,) = compare([forked(None)]).blocks
    row = block.rows[-1]
    assert (row.metric.name, row.metric.section) == ("fork.time", Section.OTHER)


def test_a_run_without_declarations_has_the_shipped_ones() -> None:
    older = made.run(seeds=(1,)).manifest
    assert not older.readings
    assert of_workload("trig-kprobe", [older]).find("bench.hits", "").mean_over == "instance"
    newer = replace(older, readings={"trig-kprobe": ()})
    assert of_workload("trig-kprobe", [newer, older]).find("bench.hits", "").title == "bench.hits"


def test_declared_entries_are_whole_in_json() -> None:
    (one, *_) = of_workload("churn", []).declared
    assert msgspec.to_builtins(one).keys() == {f.name for f in fields(ReadingSpec)}


def test_a_declaration_cannot_replace_the_programs_own() -> None:
    other = ReadingSpec(name="itlb.walks", unit="s", title="mine")
    assert Catalogue([other]).find("itlb.walks", "event").title == "walks, all sizes"


# Documentation.


def test_tables_in_the_documentation_are_the_generated_ones() -> None:
    for path, text in readme.pages():
        assert path.read_text() == text, f"{path}: run `python -m harness.metrics`"


def test_a_page_without_its_markers_is_refused() -> None:
    with pytest.raises(DataError, match=r"here: no table of readings"):
        readme.with_table("text\n", "| x |\n", "here")
    text = f"a\n{readme.BEGIN}\nold\n{readme.END}\nb\n"
    assert readme.with_table(text, "| x |\n", "") == f"a\n{readme.BEGIN}\n| x |\n{readme.END}\nb\n"
    assert {path.parent for path, _ in readme.pages()} > {WORKLOADS / "churn"}
