# SPDX-License-Identifier: GPL-2.0-only
"""A saved run again: every reading equal, or what is not, and which input differs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError
from harness.itlb.plugin import Plugin
from harness.model.trial_settings import Mode
from harness.pipeline.machine import Machine
from harness.pipeline.progress import Progress
from harness.pipeline.reproducing import Reproduction, reproduce, reproduction_json
from harness.store import create_run, find_run
from harness.targets.recorded import RecordedTarget
from harness.tests.unit import synthetic_runs
from harness.tests.unit.recorded_machine import (
    Altered,
    machine,
    more_instructions,
    prepared,
    started,
    with_console,
)


def again(out: Path, name: str, at: Machine) -> Reproduction:
    return reproduce(name, out, Progress(quiet=True), jobs=1, machine=at)


def test_every_reading_is_equal(captured: Path, tmp_path: Path) -> None:
    first = started(captured, tmp_path)
    made = again(tmp_path, first.path.name, machine(RecordedTarget(folder=captured)))
    assert made.equal
    assert made.inputs == ()
    assert made.again != first.path
    assert len(made.trials) == 3
    assert made.lines[-1].endswith("readings: every one equal")
    assert '"equal": true' in reproduction_json(made)


def test_a_reading_that_differs_is_named_with_both_values(captured: Path, tmp_path: Path) -> None:
    first = started(captured, tmp_path)

    target = Altered(RecordedTarget(folder=captured), {2: more_instructions}, [])
    made = again(tmp_path, first.path.name, machine(target))
    assert not made.equal
    (wrong,) = [trial for trial in made.trials if trial.difference]
    assert wrong.trial.endswith("-s2")
    assert " is " in wrong.difference and " and " in wrong.difference
    assert made.lines[-1].endswith("no input differs: a fault of this machine or the program")


def test_a_trial_that_fails_now_is_told(captured: Path, tmp_path: Path) -> None:
    first = started(captured, tmp_path)
    panics = {1: with_console("Kernel panic - not syncing: Fatal exception")}
    made = again(
        tmp_path, first.path.name, machine(Altered(RecordedTarget(folder=captured), panics, []))
    )
    assert not made.equal
    assert any("failed: panic: " in line for line in made.lines)


def test_an_input_that_differs_is_named(captured: Path, tmp_path: Path) -> None:
    first = started(captured, tmp_path)

    def with_other_plugin(*args: Any, **kwargs: Any) -> Any:
        made = prepared(*args, **kwargs)
        return replace(made, plugin=Plugin(path=Path("/nowhere"), sha256="another"))

    other = replace(
        machine(RecordedTarget(folder=captured)),
        prepare=with_other_plugin,
        version=lambda: "QEMU 11",
    )
    made = again(tmp_path, first.path.name, other)
    assert {(one.name, one.then, one.now) for one in made.inputs} == {
        ("model", "plugin", "another"),
        ("QEMU", "QEMU of a test", "QEMU 11"),
    }
    assert made.equal, "other inputs, and all the same equal readings: both are told"


def test_a_run_with_noise_is_refused(tmp_path: Path) -> None:
    run = synthetic_runs.run(seeds=(1,), pti=("on",))
    trials = tuple(replace(t, mode=Mode.FAST) for t in run.manifest.trials)
    with create_run(replace(run.manifest, trials=trials), tmp_path):
        pass
    with pytest.raises(UserError, match="not made in exact mode"):
        again(tmp_path, "latest", machine(RecordedTarget(folder=tmp_path)))


def test_runs_that_come_with_the_program_have_names_too(tmp_path: Path) -> None:
    run = synthetic_runs.run(seeds=(1,), pti=("on",))
    with create_run(run.manifest, tmp_path / "reference"):
        pass
    shipped = tmp_path / "reference" / run.manifest.run
    assert find_run(run.manifest.run, tmp_path) == shipped
    assert find_run("latest", tmp_path) == shipped
    own = replace(run.manifest, run="20250101T000000Z-quick-00000000")
    with create_run(own, tmp_path):
        pass
    assert find_run("latest", tmp_path) == tmp_path / own.run
