# SPDX-License-Identifier: GPL-2.0-only
"""Runs to tables: pairing by seed, unknowns, failures, what does not repeat."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.analysis import compare
from harness.analysis.comparison import Block, Comparison, Per, Row
from harness.analysis.stats import Verdict
from harness.errors import UserError
from harness.model.reading import Reading, Source, Status, unknown
from harness.model.records import Manifest, TrialRecord, TrialStatus
from harness.model.specs import TrialSpec
from harness.model.trial_settings import Counters, Mode
from harness.store.loading import LoadedRun
from harness.tests.unit import synthetic_runs as made

Values = dict[str, dict[int, int | None]]


def row(block: Block, name: str, per: Per = Per.TOTAL, **labels: str) -> Row:
    wanted = tuple(sorted(labels.items()))
    found = [
        r
        for r in block.rows
        if (r.metric.name, r.per, r.labels) == (name, per, wanted) and r.window in ("", "w")
    ]
    assert len(found) == 1, f"{name} {labels}: {len(found)} rows"
    return found[0]


def tiny(values: Values, *, mode: Mode = Mode.EXACT, name: str = "run-a") -> LoadedRun:
    """A run with one reading ``x`` in window w, beside what it is divided by."""
    records = []
    for variant, by_seed in values.items():
        for seed, value in by_seed.items():
            spec = made.spec(variant, seed, workload="tiny", mode=mode)
            records.append(record_of(spec, value))
    return LoadedRun(made.manifest([r.spec for r in records], name), tuple(records), ())


def record_of(spec: TrialSpec, value: int | None, seconds: float = 2.0) -> TrialRecord:
    w = {"window": "w"}
    model = Source.MODEL
    x = (
        unknown("itlb.walks", "event", model, Status.NOT_COUNTED, "window not closed", w)
        if value is None
        else Reading(name="itlb.walks", value=value, unit="event", source=model, labels=w)
    )
    return replace(
        made.record(spec),
        windows={"0": "run", "1": "w"},
        readings=(
            x,
            Reading(name="window.seconds", value=seconds, unit="s", source=model, labels=w),
            Reading(name="ops", value=10, unit="operation", source=model, labels=w),
            Reading(
                name="context_switches",
                value=4,
                unit="event",
                source=Source.KERNEL,
                labels={"phase": "window"},
            ),
        ),
    )


def block_of(comparison: Comparison) -> Block:
    assert len(comparison.blocks) == 1
    return comparison.blocks[0]


def test_one_table_per_setting() -> None:
    found = compare([made.run()])
    assert [b.settings.pti for b in found.blocks] == ["on", "off"]
    assert found.builds == ("upstream", "bpf_prog_pack", "execmem")
    assert found.baseline == "upstream"
    assert found.problems == ()


def test_rates_and_ratios() -> None:
    block = block_of(compare([tiny({"upstream": {1: 100, 2: 200}, "execmem": {1: 50, 2: 100}})]))
    per_second = row(block, "itlb.walks", Per.SECOND)
    assert per_second.cells["upstream"].values == {1: 50.0, 2: 100.0}
    assert per_second.unit == "event/s"
    assert row(block, "itlb.walks", Per.OPERATION).cells["execmem"].values == {1: 5.0, 2: 10.0}
    assert row(block, "itlb.walks", Per.SWITCH).cells["execmem"].values == {1: 12.5, 2: 25.0}
    cell = per_second.cells["execmem"]
    assert cell.ratio is not None
    assert cell.ratio.value == pytest.approx(0.5)
    assert cell.ratio.verdict is Verdict.LOWER
    assert per_second.cells["upstream"].ratio is None


def test_levels_have_no_rates() -> None:
    block = compare([made.run()]).blocks[0]
    pages = [r for r in block.rows if r.metric.name == "bpf.text.pages_4k"]
    assert {r.per for r in pages} == {Per.TOTAL}


def test_unknown_is_left_out_and_said() -> None:
    block = block_of(compare([tiny({"upstream": {1: 100, 2: 200}, "execmem": {1: None, 2: 100}})]))
    for per in Per:
        cell = row(block, "itlb.walks", per).cells["execmem"]
        assert list(cell.values) == [2]
        assert [(u.seed, u.status, u.reason) for u in cell.unknown] == [
            (1, Status.NOT_COUNTED, "window not closed")
        ]
        assert cell.ratio is not None
        assert cell.ratio.n == 1


def test_unknown_everywhere_has_no_ratio() -> None:
    block = block_of(compare([tiny({"upstream": {1: 100}, "execmem": {1: None}})]))
    cell = row(block, "itlb.walks", Per.SECOND).cells["execmem"]
    assert cell.summary is None
    assert cell.ratio is not None
    assert (cell.ratio.value, cell.ratio.reason) == (None, "no value")


def test_a_reading_that_one_build_does_not_report_is_unknown() -> None:
    run = tiny({"upstream": {1: 100}, "execmem": {1: 7}})
    stripped = replace(run.records[1], readings=run.records[1].readings[1:])
    block = block_of(compare([LoadedRun(run.manifest, (run.records[0], stripped), ())]))
    cell = row(block, "itlb.walks").cells["execmem"]
    assert cell.values == {}
    assert cell.unknown[0].reason == "not reported by this trial"


def test_sources_are_never_mixed() -> None:
    run = tiny({"upstream": {1: 100}, "execmem": {1: 50}})
    other = replace(run.records[1].readings[0], source=Source.PERF)
    mixed = replace(run.records[1], readings=(other, *run.records[1].readings[1:]))
    block = block_of(compare([LoadedRun(run.manifest, (run.records[0], mixed), ())]))
    for found in (r for r in block.rows if r.metric.name == "itlb.walks"):
        known = [b for b, cell in found.cells.items() if cell.values]
        assert len(known) == 1
        assert found.cells["execmem"].ratio is not None
        assert found.cells["execmem"].ratio.value is None


def test_failed_trials_give_no_numbers() -> None:
    run = tiny({"upstream": {1: 100, 2: 90}, "execmem": {1: 50, 2: 45}})
    broken = replace(run.records[3], status=TrialStatus.FAILED, failure=None)
    block = block_of(compare([LoadedRun(run.manifest, (*run.records[:3], broken), ())]))
    assert [(f.build, f.seed, f.kind) for f in block.failures] == [("execmem", 2, "unknown")]
    cell = row(block, "itlb.walks").cells["execmem"]
    assert list(cell.values) == [1]
    assert cell.unknown == ()
    assert block.seeds == {"upstream": (1, 2), "execmem": (1,)}


def test_all_trials_failed() -> None:
    given = made.run(
        seeds=(1,), pti=("on",), variants=("execmem",), fail=("trig-kprobe-execmem-ption-s1",)
    )
    block = block_of(compare([given]))
    assert block.rows == ()
    assert len(block.failures) == 1


def test_two_runs_are_laid_side_by_side() -> None:
    one = tiny({"upstream": {1: 100, 2: 100}})
    two = tiny({"execmem": {1: 50, 2: 60}}, name="run-b")
    block = block_of(compare([one, two]))
    assert block.builds == ("upstream", "execmem")
    assert row(block, "itlb.walks").cells["execmem"].values == {1: 50, 2: 60}


def test_seeds_of_two_runs_are_joined() -> None:
    runs = [tiny({"upstream": {s: 100}, "execmem": {s: 50}}, name=f"run-{s}") for s in (1, 2)]
    block = block_of(compare(runs))
    assert block.seeds == {"upstream": (1, 2), "execmem": (1, 2)}


def test_equal_exact_trials_count_once() -> None:
    run = tiny({"upstream": {1: 100}, "execmem": {1: 50}})
    again = tiny({"upstream": {1: 100}, "execmem": {1: 50}}, name="run-b")
    found = compare([run, again])
    assert found.problems == ()
    assert block_of(found).seeds == {"upstream": (1,), "execmem": (1,)}


def test_exact_trials_that_differ_are_told() -> None:
    run = tiny({"upstream": {1: 100}, "execmem": {1: 50}})
    again = tiny({"upstream": {1: 100}, "execmem": {1: 51}}, name="run-b")
    found = compare([run, again])
    assert found.problems == (
        "tiny on execmem, pti=on, seed 1 does not repeat: "
        "itlb.walks{window=w} is 50 and 51; the first result is used",
    )


def test_repeats_in_other_modes_are_averaged() -> None:
    """Time is noisy there: trials of one seed are one replicate, their mean."""
    run = tiny({"upstream": {1: 100}, "execmem": {1: 50}}, mode=Mode.KVM)
    again = tiny({"upstream": {1: 200}, "execmem": {1: None}}, mode=Mode.KVM, name="run-b")
    found = compare([run, again])
    assert found.problems == ()
    block = block_of(found)
    assert block.seeds == {"upstream": (1,), "execmem": (1,)}
    cells = row(block, "itlb.walks").cells
    assert cells["upstream"].values == {1: 150}
    assert cells["execmem"].values == {1: 50}
    assert [u.seed for u in cells["execmem"].unknown] == [1]


def test_host_readings_may_differ() -> None:
    def wall(run: LoadedRun, seconds: float) -> LoadedRun:
        host = Reading(name="trial.wall", value=seconds, unit="s", source=Source.HOST)
        first = replace(run.records[0], readings=(*run.records[0].readings, host))
        return LoadedRun(run.manifest, (first,), ())

    values: Values = {"upstream": {1: 100}}
    assert compare([wall(tiny(values), 1), wall(tiny(values, name="b"), 2)]).problems == ()


def test_different_kernels_of_one_name_are_told_apart() -> None:
    one = tiny({"upstream": {1: 100}, "execmem": {1: 50}})
    two = tiny({"execmem": {1: 40}}, name="run-b")
    kernel = replace(two.manifest.kernels[0], image_sha256="rebuilt")
    two = two._replace(manifest=replace(two.manifest, kernels=(kernel,)))
    block = block_of(compare([one, two]))
    assert block.builds == ("upstream", "execmem@run-a", "execmem@run-b")


def test_baseline() -> None:
    run = tiny({"upstream": {1: 100, 2: 100}, "execmem": {1: 50, 2: 50}})
    found = compare([run], baseline="execmem")
    assert found.builds == ("execmem", "upstream")
    cell = row(block_of(found), "itlb.walks").cells["upstream"]
    assert cell.ratio is not None
    assert cell.ratio.value == 2
    with pytest.raises(UserError, match="baseline 'nosuch'") as caught:
        compare([run], baseline="nosuch")
    assert "upstream, execmem" in caught.value.remedy


def test_missing_baseline_is_said() -> None:
    found = compare([tiny({"bpf_prog_pack": {1: 100}, "execmem": {1: 50}})])
    assert found.baseline == "bpf_prog_pack"
    assert "the baseline upstream is not among the builds" in found.notes[0]
    assert compare([tiny({"execmem": {1: 50}})]).notes == ()


def test_no_run() -> None:
    with pytest.raises(UserError, match="no run"):
        compare([])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda m: replace(m, qemu_version="QEMU 11"),
            "qemu_version is 'QEMU emulator version 10.0.2' in run-a and 'QEMU 11' in run-b",
        ),
        (
            lambda m: replace(m, plugin_sha256="other"),
            "plugin_sha256 is 'plugin' in run-a and 'other' in run-b",
        ),
        (lambda m: replace(m, profile_sha256="other"), "profile_sha256 is 'profile'"),
        (lambda m: replace(m, bench_sha256="other"), "bench_sha256 is 'bench'"),
        (lambda m: replace(m, image_sha256={"base": "x"}), "image_sha256.base is 'layer'"),
        (lambda m: replace(m, workload_sha256={"tiny": "x"}), "workload_sha256.tiny is"),
        (lambda m: replace(m, program_version="2.0"), "program_version_major is '0'"),
        (
            lambda m: replace(m, kernels=(replace(m.kernels[0], compiler="gcc 13"),)),
            "kernels.compiler is 'gcc 12.2.0' in upstream of run-a and 'gcc 13' in execmem",
        ),
        (
            lambda m: replace(m, kernels=(replace(m.kernels[0], base_sha256="z"),)),
            "kernels.base_sha256 is",
        ),
        (
            lambda m: replace(m, kernels=(replace(m.kernels[0], config_sha256="z"),)),
            "kernels.config_sha256 is",
        ),
        (
            lambda m: replace(m, trials=tuple(replace(t, profile="zen3") for t in m.trials)),
            "trials.profile is 'skylake-sp' in run-a and 'zen3' in run-b",
        ),
        (
            lambda m: replace(m, trials=tuple(replace(t, pti="off") for t in m.trials)),
            "trials.pti is 'on' in run-a and 'off' in run-b",
        ),
        (
            lambda m: replace(
                m, trials=tuple(replace(t, params={**t.params, "instances": 3}) for t in m.trials)
            ),
            "trials.params.instances is '20' in run-a and '3' in run-b",
        ),
        (
            lambda m: replace(
                m, trials=tuple(replace(t, params={**t.params, "n": 3}) for t in m.trials)
            ),
            "trials.params.n is 'absent' in run-a and '3' in run-b",
        ),
        (
            lambda m: replace(m, trials=tuple(replace(t, workload="churn") for t in m.trials)),
            "trials.workload is 'tiny' in run-a and 'churn' in run-b",
        ),
    ],
)
def test_refusals_name_key_and_values(change: Callable[[Manifest], Manifest], said: str) -> None:
    one = tiny({"upstream": {1: 100}})
    two = tiny({"execmem": {1: 50}}, name="run-b")
    changed = change(two.manifest)
    two = two._replace(manifest=changed)
    with pytest.raises(UserError) as caught:
        compare([one, two])
    assert caught.value.message.startswith(f"runs cannot be compared: {said}")
    assert "\n" not in str(caught.value)
    key = caught.value.message.split(": ")[1].split(" is ")[0]
    assert f"--allow '{key}'" in caught.value.remedy
    allowed = compare([one, two], allow={key})
    assert any(said in note for note in allowed.notes)


def built_elsewhere(run: LoadedRun, *, config_sha256: str = "", release: str = "") -> LoadedRun:
    """``run`` with its last kernel as one that others built."""
    *rest, last = run.manifest.kernels
    other = replace(
        last, base="", compiler="", config_sha256=config_sha256, base_sha256="", release=release
    )
    kernels = (*rest, other)
    return run._replace(manifest=replace(run.manifest, kernels=kernels))


@pytest.mark.parametrize(
    ("known", "note"),
    [
        ({}, "base source, configuration and compiler not known"),
        ({"config_sha256": "other"}, "base source and compiler not known"),
    ],
)
def test_kernels_that_others_built_are_compared_and_noted(known: dict[str, str], note: str) -> None:
    one = tiny({"upstream": {1: 100}})
    two = built_elsewhere(tiny({"execmem": {1: 50}}, name="run-b"), **known)
    assert f"kernel execmem was built elsewhere: {note}" in compare([one, two]).notes


def test_plugin_matters_only_where_the_model_counted() -> None:
    one = tiny({"upstream": {1: 100}})
    two = tiny({"execmem": {1: 50}}, name="run-b")

    def with_counters(run: LoadedRun, plugin: str) -> LoadedRun:
        trials = tuple(replace(t, counters=Counters.NONE) for t in run.manifest.trials)
        return run._replace(manifest=replace(run.manifest, trials=trials, plugin_sha256=plugin))

    compare([with_counters(one, "a"), with_counters(two, "b")])


def test_the_host_matters_only_where_time_is_real() -> None:
    def on(run: LoadedRun, cpu: str) -> LoadedRun:
        return run._replace(manifest=replace(run.manifest, host={"cpu": cpu}))

    for mode in (Mode.EXACT, Mode.KVM):
        one = on(tiny({"upstream": {1: 100}}, mode=mode), "a")
        two = on(tiny({"execmem": {1: 50}}, mode=mode, name="run-b"), "b")
        if mode is Mode.EXACT:
            compare([one, two])
        else:
            with pytest.raises(UserError, match=r"host\.cpu is 'a'"):
                compare([one, two])


def test_one_run_with_unlike_kernels_is_noted() -> None:
    run = built_elsewhere(
        tiny({"upstream": {1: 100}, "execmem": {1: 50}}), release="7.3.4", config_sha256="other"
    )
    assert compare([run]).notes == (
        "the kernels differ in Linux version: upstream (6.1.192); execmem (7.3.4)",
        "the kernels differ in configuration: upstream; execmem",
        "kernel execmem was built elsewhere: base source and compiler not known",
    )


def test_another_build_shares_a_table_under_a_setting_that_may_differ() -> None:
    """The same build keeps a table of its own: two values of it cannot stand in one cell."""
    first = tiny({"upstream": {1: 5}})
    for build, tables in (("execmem", 1), ("upstream", 2)):
        other = tiny({build: {1: 7}}, mode=Mode.LOCAL, name="run-b")
        with pytest.raises(UserError, match=r"trials.mode is .exact. in run-a and .local. in"):
            compare([first, other])
        assert len(compare([first, other], allow=("trials.mode",)).blocks) == tables
