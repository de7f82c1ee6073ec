# SPDX-License-Identifier: GPL-2.0-only
"""A run on several machines: keys, trials by key, and what they make together."""

import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from harness.analysis.same_result import first_difference
from harness.analysis.trial_keys import AGAIN, key_of, once_more
from harness.cache import sha256_file
from harness.cli import cli
from harness.errors import DataError, UserError
from harness.itlb.plugin import Plugin
from harness.model.trial_settings import Mode
from harness.pipeline import (
    Interrupted,
    Progress,
    RunRequest,
    Spread,
    collect,
    compute,
    plan_trials,
)
from harness.pipeline.machine import Machine
from harness.store import load_run
from harness.store.trial_folder import RECORD, SUMS, TRIALS, load
from harness.targets.recorded import RecordedTarget
from harness.targets.target import INTERRUPTED
from harness.tests.unit.recorded_machine import (
    SEEDS,
    Altered,
    machine,
    more_instructions,
    prepared,
    started,
    with_console,
)

On = Callable[[str], Machine]


@pytest.fixture
def on(captured: Path, monkeypatch: pytest.MonkeyPatch) -> On:
    """This machine, under another name."""

    def named(name: str) -> Machine:
        monkeypatch.setattr(platform, "node", lambda: name)
        return machine(RecordedTarget(folder=captured))

    return named


@pytest.fixture
def planned(tmp_path: Path, on: On) -> Spread:
    return plan(tmp_path / "results", on("planner"))


def plan(out: Path, at: Machine, **request: Any) -> Spread:
    asked = RunRequest(suite="smoke", kernels="upstream", seeds=SEEDS, out=out, **request)
    return plan_trials(asked, Progress(quiet=True), verify=34, machine=at)


def done(key: str, planned: Spread, at: Machine) -> Any:
    return compute(key, planned.path.parent, Progress(quiet=True), machine=at)


def test_a_plan_has_a_key_for_each_trial_and_nothing_else(planned: Spread) -> None:
    manifest, records, _ = load_run(planned.path)
    assert planned.keys == tuple(key_of(manifest, trial) for trial in manifest.trials)
    assert len(set(planned.keys)) == 3
    assert all(key.startswith(t.id) for key, t in zip(planned.keys, manifest.trials, strict=True))
    assert records == ()
    assert len(planned.again) == 2  # 34 % of three, rounded up
    assert {key.removesuffix(AGAIN) for key in planned.again} < set(planned.keys)


def test_equal_inputs_have_equal_keys_and_others_have_others(planned: Spread) -> None:
    manifest, *_ = load_run(planned.path)
    trial = manifest.trials[0]
    later = replace(manifest, created="later", run="another", host={"cpu": "another"})
    assert key_of(later, trial) == planned.keys[0]
    for other in (
        replace(manifest, qemu_version="QEMU 99"),
        replace(manifest, image_sha256={**manifest.image_sha256, "agent": "other"}),
        replace(manifest, program_commit="other"),
        replace(manifest, kernels=(replace(manifest.kernels[0], image_sha256="other"),)),
    ):
        assert key_of(other, trial) != planned.keys[0]
    assert key_of(manifest, replace(trial, memory_mib=trial.memory_mib + 1)) != planned.keys[0]


@pytest.mark.parametrize(("percent", "count"), [(0, 0), (0.1, 1), (2, 2), (50, 50), (100, 100)])
def test_as_many_as_asked_for_are_computed_once_more(percent: float, count: int) -> None:
    keys = [f"key-{n}" for n in range(100)]
    chosen = once_more(keys, percent)
    assert len(chosen) == count
    assert chosen == once_more(keys, percent)


def test_trials_by_key_make_the_run_that_one_machine_makes(
    captured: Path, tmp_path: Path, planned: Spread, on: On
) -> None:
    for key, name in zip(planned.keys, ("alpha", "beta", "alpha"), strict=True):
        made = done(key, planned, on(name))
        assert (made.before, made.record.machine, made.record.failure) == (False, name, None)
    for key in planned.again:
        done(key, planned, on("gamma"))
    collected = collect(str(planned.path), [], tmp_path)
    assert collected.whole
    assert (collected.added, len(collected.verified), collected.alone) == (3, 2, ())
    assert "2 trials computed by two machines: equal to the byte" in "\n".join(collected.lines)
    alone = load_run(started(captured, tmp_path / "alone").path)
    together = load_run(planned.path)
    for one, other in zip(alone.records, together.records, strict=True):
        assert first_difference(one, other) == ""
        assert (planned.path / "raw" / one.trial / "console.log").is_file()
    assert collect(str(planned.path), [], tmp_path).added == 0


def test_what_is_there_is_not_computed_again(planned: Spread, on: On) -> None:
    first = done(planned.keys[0], planned, on("alpha"))
    again = done(planned.keys[0], planned, on("beta"))
    assert (again.before, again.record.machine) == (True, "alpha")
    assert again.path == first.path
    assert again.line.endswith(": there already")


def test_a_failed_trial_is_kept_and_computed_again(
    captured: Path, tmp_path: Path, planned: Spread, on: On
) -> None:
    panics = Altered(
        RecordedTarget(folder=captured),
        dict.fromkeys(SEEDS, with_console("Kernel panic - not syncing: x")),
        [],
    )
    key = planned.keys[0]
    failed = done(key, planned, replace(on("alpha"), target=panics))
    assert failed.record.failure is not None
    assert "FAILED (panic)" in failed.line
    collected = collect(str(planned.path), [], tmp_path)
    assert (collected.failed, collected.missing) == ((key,), planned.keys[1:])
    assert not collected.whole
    assert done(key, planned, on("beta")).record.failure is None
    assert collect(str(planned.path), [], tmp_path).failed == ()


def test_other_results_of_one_key_name_both_machines(
    captured: Path, tmp_path: Path, planned: Spread, on: On
) -> None:
    again = planned.again[0]
    key = again.removesuffix(AGAIN)
    for each in planned.keys:
        done(each, planned, on("alpha"))
    more = Altered(RecordedTarget(folder=captured), dict.fromkeys(SEEDS, more_instructions), [])
    done(again, planned, replace(on("beta"), target=more))
    with pytest.raises(DataError, match=rf"{key}: alpha and beta computed different results: \S+"):
        collect(str(planned.path), [], tmp_path)
    assert len(load_run(planned.path).records) == 2, "what agrees is kept"


def test_other_raw_bytes_are_no_equal_result(tmp_path: Path, planned: Spread, on: On) -> None:
    again = planned.again[0]
    done(again.removesuffix(AGAIN), planned, on("alpha"))
    done(again, planned, on("beta"))
    folder = planned.path / TRIALS / again
    with (folder / "raw/console.log").open("ab") as file:
        file.write(b"x")
    damaged = collect(str(planned.path), [], tmp_path)
    assert any(SUMS in line for line in damaged.damaged)
    sums = (folder / SUMS).read_text().splitlines()
    console = f"{sha256_file(folder / 'raw/console.log')}  raw/console.log"
    kept = [line for line in sums if not line.endswith("console.log")]
    (folder / SUMS).write_text("\n".join([*kept, console]) + "\n")
    with pytest.raises(DataError, match=r"raw/console.log has other bytes"):
        collect(str(planned.path), [], tmp_path)


def test_twice_on_one_machine_verifies_nothing(tmp_path: Path, planned: Spread, on: On) -> None:
    again = planned.again[0]
    done(again.removesuffix(AGAIN), planned, on("alpha"))
    done(again, planned, on("alpha"))
    collected = collect(str(planned.path), [], tmp_path)
    assert (collected.verified, collected.alone) == ((), (again.removesuffix(AGAIN),))


def test_results_come_from_folders_too(tmp_path: Path, planned: Spread, on: On) -> None:
    for key in planned.keys:
        done(key, planned, on("alpha"))
    elsewhere = tmp_path / "usb-stick"
    shutil.move(planned.path / TRIALS, elsewhere)
    assert collect(str(planned.path), [elsewhere], tmp_path).whole
    with pytest.raises(UserError, match="no such folder"):
        collect(str(planned.path), [tmp_path / "nowhere"], tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / RECORD).unlink(),
        lambda folder: (folder / SUMS).unlink(),
        lambda folder: (folder / RECORD).write_bytes(b"{"),
        lambda folder: (folder / "raw/console.log").unlink(),
        lambda folder: (folder / "raw/more").write_bytes(b"x"),
        lambda folder: (folder / "raw/link").symlink_to("/etc/passwd"),
        lambda folder: (folder / SUMS).write_bytes(b"\xff\n\nx"),
    ],
)
def test_a_damaged_result_is_not_taken_and_is_computed_again(
    tmp_path: Path, planned: Spread, on: On, damage: Callable[[Path], object]
) -> None:
    key = planned.keys[0]
    damage(done(key, planned, on("alpha")).path)
    collected = collect(str(planned.path), [], tmp_path)
    assert key in collected.missing
    assert len(collected.damaged) == 1
    assert str(planned.path / TRIALS / key) in collected.damaged[0]
    made = done(key, planned, on("beta"))
    assert (made.before, made.record.machine) == (False, "beta")


def test_a_result_of_another_trial_is_refused(tmp_path: Path, planned: Spread, on: On) -> None:
    made = done(planned.keys[0], planned, on("alpha"))
    made.path.rename(made.path.with_name(planned.keys[1]))
    with pytest.raises(DataError, match="a result of another trial than its key's"):
        collect(str(planned.path), [], tmp_path)


def test_other_inputs_are_refused_by_name(planned: Spread, on: On) -> None:
    def with_other_plugin(*args: Any, **kwargs: Any) -> Any:
        made = prepared(*args, **kwargs)
        return replace(made, plugin=Plugin(path=Path("/nowhere"), sha256="another"))

    with pytest.raises(UserError, match="model: plugin then, another now"):
        done(planned.keys[0], planned, replace(on("alpha"), prepare=with_other_plugin))
    with pytest.raises(UserError, match="QEMU: QEMU of a test then, QEMU 99 now"):
        done(planned.keys[0], planned, replace(on("alpha"), version=lambda: "QEMU 99"))
    assert not (planned.path / TRIALS).exists()


def test_a_key_of_no_plan_is_refused(planned: Spread, on: On) -> None:
    for key in ("nonsense", planned.keys[0][:-1], "../../etc/passwd", planned.keys[0] + "/.."):
        with pytest.raises(UserError, match="is no key of any run in"):
            done(key, planned, on("alpha"))


def test_only_exact_trials_are_planned(tmp_path: Path, on: On) -> None:
    with pytest.raises(UserError, match="what is measured there is of that machine"):
        plan(tmp_path, on("alpha"), settings={"mode": Mode.FAST})


def test_nothing_is_left_of_an_interrupted_trial(captured: Path, planned: Spread, on: On) -> None:
    stopping = Altered(
        RecordedTarget(folder=captured),
        dict.fromkeys(SEEDS, lambda ended: replace(ended, stopped=INTERRUPTED)),
        [],
    )
    with pytest.raises(Interrupted):
        done(planned.keys[0], planned, replace(on("alpha"), target=stopping))
    assert list((planned.path / TRIALS).iterdir()) == []


def test_what_a_killed_trial_left_goes_with_the_next(planned: Spread, on: On) -> None:
    here = os.uname().nodename
    left = planned.path / TRIALS / f".{planned.keys[0]}.{here}.4194305"
    left.mkdir(parents=True)
    done(planned.keys[0], planned, on("alpha"))
    assert not left.exists()


def test_the_result_of_who_was_first_stays(planned: Spread, on: On, tmp_path: Path) -> None:
    """Two machines compute one key at once, on one file system."""
    key = planned.keys[0]
    first = done(key, planned, on("alpha"))
    aside = tmp_path / "aside"
    first.path.rename(aside)

    class WhileTheOtherEnds:
        def run(self, payload: Any) -> Any:
            shutil.copytree(aside, first.path)
            return on("beta").target.run(payload)

    second = done(key, planned, replace(on("beta"), target=WhileTheOtherEnds()))
    assert (second.before, second.record.machine) == (True, "alpha")
    assert load(first.path).record.machine == "alpha"


def test_the_commands(planned: Spread, tmp_path: Path) -> None:
    out = ["--out", str(planned.path.parent)]
    refused = CliRunner().invoke(cli, ["trial", "nonsense", *out])
    assert "is no key of any run" in str(refused.exception)
    got = CliRunner().invoke(cli, ["collect", planned.path.name, *out])
    assert got.exit_code == 4
    assert f"{planned.keys[0]}: missing" in got.output
    as_json = CliRunner().invoke(cli, ["collect", planned.path.name, "--json", *out])
    assert '"whole": false' in as_json.output
    bad = CliRunner().invoke(cli, ["plan", "--verify", "much", *out])
    assert "--verify 'much'" in str(bad.exception)
