# SPDX-License-Identifier: GPL-2.0-only
"""The answer: which lines it has, what it says in words, what it does not hide."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.analysis import compare
from harness.analysis.stats import Ratio, ratio
from harness.config import definitions
from harness.model.reading import Reading, Source, Status, unknown
from harness.model.records import Site, TrialRecord
from harness.report import answer, decisive, named, wording
from harness.report.answer import Answer
from harness.store.loading import LoadedRun
from harness.tests.unit import synthetic_runs as made


def answered(run: LoadedRun) -> Answer:
    (found,) = answer.answers(compare([run]), {"trig-kprobe": "What does it cost?"})
    return found


def changed(run: LoadedRun, change: Callable[[TrialRecord], TrialRecord]) -> LoadedRun:
    records = tuple(map(change, run.records))
    trials = tuple(record.spec for record in records)
    return run._replace(manifest=replace(run.manifest, trials=trials), records=records)


def test_both_settings_stand_side_by_side() -> None:
    found = answered(made.run(seeds=(1, 2, 3)))
    assert [(c.pti, c.build) for c in found.columns] == [
        (pti, build) for pti in ("on", "off") for build in made.VARIANTS
    ]
    assert found.question == "What does it cost?"
    assert "pti" not in found.settings
    assert found.lines[0].title == "4 kB walks, all text"
    assert all(len(line.cells) == 6 for line in found.lines)


def test_page_sizes_stand_in_one_line() -> None:
    line = next(one for one in answered(made.run()).lines if one.title.startswith("page entries"))
    assert [(c.value, c.ratio) for c in line.cells[:3]] == [
        ("22", "of 4 kB"),
        ("3", "of 4 kB"),
        ("1", "of 2 MB"),
    ]


def test_sentences() -> None:
    found = answered(made.run(seeds=(1, 2, 3, 4, 5)))
    first = found.verdicts[0]
    assert (first.build, first.pti) == ("bpf_prog_pack", "pti=on")
    assert "3 of 4 kB instead of 22 of 4 kB" in first.sentence
    assert "fewer 4 kB walks (×0.68 [0.64, 0.72])" in first.sentence
    assert first.sentence.endswith("95 % intervals over 5 seeds.")
    off = next(v for v in found.verdicts if v.pti == "pti=off")
    assert "no difference in 4 kB walks" in off.sentence
    assert re.search(r"where ×1\.\d\d would have shown", off.sentence)


def test_what_may_be_chance_among_so_many_is_said_to_be_so() -> None:
    """Three seeds, 20 comparisons: an interval that leaves 1 out alone is not enough."""
    found = answered(made.run(seeds=(1, 2, 3)))
    assert found.comparisons == 20
    first = found.verdicts[0]
    head = "different if read alone, not among 20 comparisons: 4 kB walks (×0.67 [0.57, 0.79])"
    assert head in first.sentence
    assert "fewer 4 kB walks of BPF text" in first.sentence
    assert found.lines[0].cells[1].ratio == "×0.67?"
    assert found.lines[0].cells[1].tone == ""


def test_one_seed_has_no_interval_and_claims_nothing() -> None:
    (first, *_) = answered(made.run(seeds=(1,), pti=("on",))).verdicts
    assert "one seed, so no interval: 4 kB walks ×0." in first.sentence
    assert "fewer" not in first.sentence
    assert "no difference" not in first.sentence


def test_a_single_build_is_compared_with_nothing() -> None:
    found = answered(made.run(variants=("execmem",)))
    assert found.verdicts == ()
    assert len(found.lines) > 3


def test_what_was_not_counted_is_said_with_the_reason() -> None:
    none = unknown(
        "bpf.text.held_bytes",
        "B",
        Source.KERNEL,
        Status.NOT_SUPPORTED,
        "no vmallocinfo",
        {"at": "close"},
    )

    def without(record: TrialRecord) -> TrialRecord:
        return replace(record, readings=(*record.readings, none))

    found = answered(changed(made.run(seeds=(1, 2)), without))
    assert found.uncounted == (
        "memory held for BPF text on every build: not supported: no vmallocinfo",
    )
    line = next(one for one in found.lines if one.title.startswith("memory held"))
    assert {cell.value for cell in line.cells} == {"not supported"}


def test_failed_trials_are_said() -> None:
    found = answered(made.run(seeds=(1, 2, 3), fail=("trig-kprobe-execmem-ption-s3",)))
    assert found.failures == (
        "execmem, pti=on, seed 3: panic: Kernel panic - not syncing: Fatal exception",
    )
    remarks = [c.remark for c in found.columns]
    assert remarks == ["", "", "1 failed", "", "", ""]


@pytest.mark.parametrize(("mappings", "shown"), [(0, False), (3, True)])
def test_wx_only_when_there_are_any(mappings: int, shown: bool) -> None:
    def with_mappings(record: TrialRecord) -> TrialRecord:
        readings = (
            replace(r, value=mappings)
            if r.name == "wx.mappings" and record.spec.variant == "execmem"
            else r
            for r in record.readings
        )
        return replace(record, readings=tuple(readings))

    found = answered(changed(made.run(seeds=(1, 2)), with_mappings))
    assert ("W+X mappings" in [line.title for line in found.lines]) is shown


def test_an_unlisted_workload_shows_its_own_readings() -> None:
    own = Reading(name="fork.time", value=120, unit="ns", source=Source.WORKLOAD)

    def forks(record: TrialRecord) -> TrialRecord:
        spec = replace(record.spec, workload="fork-storm")
        return replace(record, spec=spec, trial=spec.id, readings=(*record.readings, own))

    found = answered(changed(made.run(seeds=(1, 2)), forks))
    assert found.question == ""
    assert (found.lines[-1].title, found.lines[-1].unit) == ("fork.time", "ns")
    usual = answered(made.run(seeds=(1, 2)))
    assert not any("bench" in line.title for line in usual.lines)


def test_walks_are_told_as_a_product() -> None:
    found = answered(made.run(seeds=(1, 2)))
    (words,) = found.arithmetic
    assert words.startswith("4 kB walks a second = context switches a second × walks after each: ")
    product = re.search(r"pti=on: upstream ([\d.]+) k = ([\d.]+) × ([\d.]+),", words)
    assert product
    assert words.count(" × ") == 7
    total, switches, each = map(float, product.groups())
    assert total * 1000 == pytest.approx(switches * each, rel=0.02)


def test_without_context_switches_there_is_no_product() -> None:
    def without(record: TrialRecord) -> TrialRecord:
        kept = (r for r in record.readings if r.name != "context_switches")
        return replace(record, readings=tuple(kept))

    found = answered(changed(made.run(seeds=(1, 2)), without))
    assert found.arithmetic == ()


def test_every_listed_workload_and_line_is_there() -> None:
    assert set(decisive.WORKLOADS) <= set(definitions.workload_folders())
    used = {name for names in (*decisive.WORKLOADS.values(), decisive.USUAL) for name in names}
    assert used == set(decisive.LINES)


def test_an_interval_that_says_nothing_is_not_printed() -> None:
    found = Ratio(value=0.0012, low=5e-6, high=0.3, n=3, log_sd=2.2)
    assert wording.ratio(found) == "undecided, about ×0.001"
    assert wording.brief(found) == "undecided"
    assert wording.ratio(found, all_of_it=True) == "~×0.0012 [5.0e-06, 0.30]"
    assert wording.settle(found) == "it would take more than 100 seeds to settle it"
    assert wording.settle(replace(found, log_sd=0.3)) == "about 11 seeds would settle it"
    assert "unknown" in wording.settle(replace(found, log_sd=None))


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0012, "0.001"), (0.62, "0.6"), (34.0, "30"), (0.96, "1"), (0.0, "0")]
)
def test_order(value: float, shown: str) -> None:
    assert wording.order(value) == shown


def test_a_wide_ratio_in_words() -> None:
    def wide(record: TrialRecord) -> TrialRecord:
        factor = {1: 1.0, 2: 40.0, 3: 0.3}[record.spec.seed]
        readings = (
            replace(r, value=r.value * factor)
            if r.name.startswith("itlb.") and record.spec.variant == "execmem" and r.value
            else r
            for r in record.readings
        )
        return replace(record, readings=tuple(readings))

    found = answered(changed(made.run(seeds=(1, 2, 3), pti=("on",)), wide))
    sentence = found.verdicts[-1].sentence
    assert "undecided: 4 kB walks (about ×1; it would take more than 100 seeds" in sentence
    assert found.lines[0].cells[2].ratio == "undecided"


def test_named_texts() -> None:
    site = Site(name="p#1", origin="bpf_prog", stlb_hits=2, walks_4k=9, walks_2m_4m=0, walks_1g=0)

    def name(record: TrialRecord) -> TrialRecord:
        given = record.spec.variant == "upstream" and record.spec.seed == 1
        return replace(record, sites=(site,) if given else ())

    (block,) = compare([changed(made.run(seeds=(1, 2), pti=("on",)), name)]).blocks
    shown = named.named_table(block)
    assert shown is not None
    assert shown.rows[0] == ("p", "bpf_prog", "upstream, 1 of 2 seeds", "1", "9", "0", "2")
    assert shown.rows[1][2:] == ("bpf_prog_pack", "not named", "unknown", "unknown", "unknown")
    assert named.named_table(compare([made.run()]).blocks[0]) is None


def test_bounded_ratio_keeps_its_interval() -> None:
    found = ratio({1: 1.0, 2: 2.0, 3: 1.0, 4: 0.0}, {1: 1e6, 2: 1e6, 3: 1.1e6, 4: 1e6})
    assert not found.vague
    assert wording.ratio(found).startswith("×")


def test_a_curve_shows_its_ends() -> None:
    sizes = {"0": 8192, "1": 9000, "2": 16384}
    cycles = [
        Reading(
            name="direct_map.4k",
            value=value,
            unit="kB",
            source=Source.KERNEL,
            labels={"cycle": cycle},
        )
        for cycle, value in sizes.items()
    ]

    def aged(record: TrialRecord) -> TrialRecord:
        spec = replace(record.spec, workload="ageing")
        return replace(record, spec=spec, trial=spec.id, readings=(*record.readings, *cycles))

    line = answered(changed(made.run(seeds=(1, 2)), aged)).lines[0]
    assert line.title == "direct map in 4 kB entries"
    assert [cell.value for cell in line.cells] == ["8 MiB → 16 MiB"] * 6
