# SPDX-License-Identifier: GPL-2.0-only
"""Changes are found on their night, with their input, and told from luck."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.analysis.history import Change, History, Kind, Step, history, regressions
from harness.errors import UserError
from harness.model.trial_settings import Mode
from harness.report.history_text import lines
from harness.store import create_run
from harness.store.loading import LoadedRun
from harness.tests.golden import assert_golden
from harness.tests.unit import synthetic_nights as made
from harness.tests.unit.in_process import Bench
from harness.tests.unit.synthetic_nights import Lab, night

NIGHTS = 200
PLANTED = {
    20: "QEMU",
    50: "kernel",
    51: "model",
    90: "workload",
    130: "guest image (base)",
    170: "CPU profile",
}


def text(given: History, *, full: bool = False) -> str:
    return "".join(f"{'  ' * one.depth}{one.text}\n" for one in lines(given, full=full))


def planted(number: int) -> Lab:
    """The lab with all that was changed in it up to a night."""
    lab = Lab()
    for at, name in PLANTED.items():
        if number < at:
            continue
        factor = 1 + 0.3 * (at == 50) + 0.01 * (1 + list(PLANTED).index(at))
        match name:
            case "kernel":
                lab = lab.with_kernel("execmem", "image-new")
            case "QEMU":
                lab = replace(lab, changes={**lab.changes, "qemu_version": "QEMU 10.0.3"})
            case "model":
                lab = replace(lab, changes={**lab.changes, "plugin_sha256": "other"})
            case "CPU profile":
                lab = replace(lab, changes={**lab.changes, "profile_sha256": "other"})
            case "workload":
                lab = replace(lab, changes={**lab.changes, "workload_sha256": {"trig-kprobe": "x"}})
            case _:
                lab = replace(lab, changes={**lab.changes, "image_sha256": {"base": "other"}})
        lab = lab.with_factor("execmem", factor * lab.factors.get("execmem", 1.0))
    return lab


@pytest.fixture(scope="module")
def year() -> History:
    return history([night(planted(number), number) for number in range(NIGHTS)])


def steps_with_changes(given: History) -> list[Step]:
    return [step for step in given.steps if step.changes]


def number_of(given: History, run: str) -> int:
    return [n.run for n in given.nights].index(run)


def test_every_planted_change_is_on_its_night_with_its_input(year: History) -> None:
    found = {
        (number_of(year, step.run), step.build): step.inputs for step in steps_with_changes(year)
    }
    assert found == {(at, "execmem"): (name,) for at, name in PLANTED.items()}


def test_nothing_is_found_where_nothing_changed(year: History) -> None:
    """Of 200 nights with 4 lanes, each of 13 readings over five seeds, none but the planted."""
    assert {number_of(year, step.run) for step in steps_with_changes(year)} == set(PLANTED)
    assert year.faults == ()
    assert year.gaps == ()


def test_an_input_that_moves_nothing_is_kept_as_a_step_without_changes(year: History) -> None:
    quiet = [s for s in year.steps if not s.changes]
    assert {(number_of(year, s.run), s.build) for s in quiet} == {
        (at, "upstream") for at, name in PLANTED.items() if name != "kernel"
    }


def test_the_regression_of_30_percent_is_real_and_worse(year: History) -> None:
    found = [
        (number_of(year, step.run), change.ratio.value)
        for step, change in regressions(year.steps)
        if dict(change.labels).get("origin") == "all" and step.settings.pti == "on" and change.ratio
    ]
    (at_50,) = [value for number, value in found if number == 50]
    assert at_50 == pytest.approx(1.32, abs=0.08)


def reshuffled(number: int) -> Lab:
    """A new kernel each night, which only lies elsewhere."""
    return Lab().with_kernel("execmem", f"image-{number}")


def test_luck_is_layout_and_seldom_real() -> None:
    """A new kernel on each of 200 nights, none with a real change: in about 5 of 100 nights (three
    standard errors above at most) some reading is called real, however many there are."""
    given = history([night(reshuffled(number), number) for number in range(NIGHTS)])
    assert len({step.run for step in steps_with_changes(given)}) == NIGHTS - 1
    wrong = {step.run for step in given.steps for c in step.changes if c.kind is Kind.REAL}
    assert len(wrong) / NIGHTS <= 0.05 + 0.047
    kinds = [c.kind for step in given.steps for c in step.changes]
    assert kinds.count(Kind.LAYOUT) / len(kinds) > 0.99


def test_a_real_change_is_seen_through_a_new_layout() -> None:
    before, after = Lab(), Lab().with_kernel("execmem", "image-new").with_factor("execmem", 1.5)
    given = history([night(before, 0), night(after, 1)])
    by_name = {
        c.metric.name: c.kind
        for c in changes(given, "execmem", "on")
        if dict(c.labels).get("origin") == "all"
    }
    assert by_name == {
        "itlb.walk_completed_4k": Kind.REAL,
        "itlb.walk_completed_2m_4m": Kind.LAYOUT,
    }


def changes(given: History, build: str, pti: str) -> list[Change]:
    return [c for s in given.steps if (s.build, s.settings.pti) == (build, pti) for c in s.changes]


def test_a_change_without_a_changed_input_is_a_fault() -> None:
    given = history([night(Lab(), 0), night(Lab(fault=1), 1)])
    assert len(given.faults) == 4
    first = next(lines(given), None)
    assert first is not None
    assert "changed and no input did: a fault of the lab" in text(given)


def test_a_reading_that_is_no_longer_known_is_lost_and_no_number() -> None:
    first, second = night(Lab(), 0), night(Lab(changes={"qemu_version": "QEMU 11"}), 1)
    records = tuple(
        replace(r, readings=tuple(x for x in r.readings if x.name != "bpf.text.pages_4k"))
        for r in second.records
    )
    given = history([first, LoadedRun(second.manifest, records, ())])
    kinds = {c.kind for s in given.steps for c in s.changes}
    assert kinds == {Kind.LOST}
    assert "is unknown now" in text(given)


def test_one_seed_cannot_tell_layout_from_real() -> None:
    runs = [night(Lab(), 0, seeds=(1,)), night(reshuffled(1), 1, seeds=(1,))]
    given = history(runs)
    assert {c.kind for c in changes(given, "execmem", "on")} == {Kind.ONE_SEED}
    assert "one seed cannot tell a change from luck" in text(given)


def test_other_seeds_are_not_compared() -> None:
    given = history([night(Lab(), 0, seeds=(1, 2)), night(Lab(), 1, seeds=(3, 4))])
    assert given.steps == ()
    assert {gap.reason for gap in given.gaps} == {f"no seed in common with {given.nights[0].run}"}


def test_the_first_night_has_nothing_to_compare_with() -> None:
    given = history([night(Lab(), 0)])
    assert given.last.compared == 0
    assert "the first night: nothing to compare with" in text(given)
    assert history([night(Lab(), 0), night(Lab(), 1)]).last.compared == 4


def measured(number: int) -> LoadedRun:
    """A night of a mode whose values have noise."""
    exact = night(Lab(), number)
    records = tuple(
        replace(r, spec=spec, trial=spec.id)
        for r in exact.records
        for spec in (replace(r.spec, mode=Mode.KVM),)
    )
    trials = tuple(record.spec for record in records)
    return LoadedRun(replace(exact.manifest, trials=trials), records, ())


def test_nights_with_noise_are_not_judged_and_not_bad_for_that(
    bench: Bench, tmp_path: Path
) -> None:
    out = kept(tmp_path, measured(0), measured(1))
    done = bench("history", *out, "--fail-on-regression")
    assert done.returncode == 0, done.stdout
    assert "last night: 20 trials of modes with noise: not judged here" in done.stdout


def test_a_night_that_compares_with_none_is_bad(bench: Bench, tmp_path: Path) -> None:
    out = kept(tmp_path, night(Lab(), 0, seeds=(1, 2)))
    assert bench("history", *out, "--fail-on-regression").returncode == 0
    kept(tmp_path, night(Lab(), 1, seeds=(3, 4)))
    done = bench("history", *out, "--fail-on-regression")
    assert done.returncode == 1
    assert "nothing to compare with" in done.stdout


def test_a_build_that_fails_is_told_and_compared_with_the_night_before_it_again() -> None:
    runs = [night(Lab(), 0), night(Lab(), 1, fail=("execmem",)), night(Lab(), 2)]
    given = history(runs)
    assert given.nights[1].failed == 10
    assert {(g.run, g.build) for g in given.gaps} == {(given.nights[1].run, "execmem")}
    assert given.steps == ()


def test_nights_are_in_order_whatever_order_they_come_in() -> None:
    runs = [night(planted(n), n) for n in (49, 50, 51)]
    assert history(runs) == history(runs[::-1])


def test_a_night_on_which_everything_fails_is_told_and_no_run_at_all_is_an_error() -> None:
    given = history([night(Lab(), 0, fail=made.BUILDS)])
    assert (given.last.trials, given.last.failed > 0, given.steps) == (0, True, ())
    with pytest.raises(UserError, match="no runs"):
        history([])


def test_the_text_is_as_a_person_read_it(year: History) -> None:
    assert_golden("report/history.txt", text(year))


def kept(root: Path, *runs: LoadedRun) -> tuple[str, str]:
    for run in runs:
        with create_run(run.manifest, root) as writer:
            for record in run.records:
                writer.append(record)
    return ("--out", str(root))


def test_the_command_ends_with_1_on_a_regression_only(bench: Bench, tmp_path: Path) -> None:
    worse = Lab().with_kernel("execmem", "image-new").with_factor("execmem", 1.5)
    out = kept(tmp_path, night(Lab(), 0), night(Lab(), 1))
    done = bench("history", *out, "--fail-on-regression")
    assert done.returncode == 0, done.stderr
    assert "last night: nothing changed" in done.stdout
    kept(tmp_path, night(worse, 2))
    assert bench("history", *out).returncode == 0
    done = bench("history", *out, "--fail-on-regression")
    assert done.returncode == 1
    assert "last night: execmem worse: 4 kB walks, all text: ×1.5" in done.stdout
    assert bench("history", *out, "--json").stdout.startswith('{"history":{"nights":[{"run":')


def test_a_folder_without_runs_is_one_line(bench: Bench, tmp_path: Path) -> None:
    done = bench("history", "--out", str(tmp_path), "--fail-on-regression")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert f"{tmp_path}: no run in it" in line


def test_a_run_that_cannot_be_read_is_told_and_the_others_stand(
    bench: Bench, tmp_path: Path
) -> None:
    out = kept(tmp_path, night(Lab(), 0), night(Lab(), 1))
    broken = tmp_path / "20260103T010000Z-nightly-00000000"
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    done = bench("history", *out)
    assert done.returncode == 0
    assert "nothing changed" in done.stdout
    assert f"problem:{broken / 'manifest.json'}:notJSON" in "".join(done.stdout.split())
