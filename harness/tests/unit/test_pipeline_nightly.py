# SPDX-License-Identifier: GPL-2.0-only
"""Nights on captured output: the first, a quiet one, a changed one, an interrupted one, two."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
import pytest

from harness.errors import PrerequisiteError, UserError
from harness.paths import PROJECT
from harness.pipeline import (
    NightOutcome,
    NightRequest,
    Progress,
    RunRequest,
    earlier_program,
    nightly,
)
from harness.pipeline.history_view import refuse_empty
from harness.pipeline.machine import Machine
from harness.pipeline.nightly import LOCK, unfinished
from harness.store import load_run
from harness.targets.recorded import RecordedTarget
from harness.tests.unit.recorded_machine import (
    SEEDS,
    Altered,
    Change,
    interrupted,
    machine,
    more_instructions,
    prepared,
    with_console,
)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own: a night prunes it."""
    monkeypatch.setenv("EXECMEM_BENCH_CACHE", str(tmp_path / "cache"))


def on(captured: Path, changes: dict[int, Change] | None = None) -> Machine:
    return machine(Altered(RecordedTarget(folder=captured), changes or {}, []))


def a_night(at: Machine, root: Path, **more: Any) -> NightOutcome:
    request = RunRequest(suite="smoke", kernels="upstream", seeds=SEEDS, jobs=1, out=root)
    return nightly(NightRequest(run=request, **more), Progress(quiet=True), at)


def test_two_quiet_nights(captured: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    (tmp_path / "textfile").mkdir()
    into = {"exports": ("csv", "openmetrics"), "textfile": tmp_path / "textfile"}
    first = a_night(on(captured), root, **into)
    (prom,) = (tmp_path / "textfile").iterdir()
    assert prom.name == "execmem_bench.prom"
    assert "execmem_bench_trial_ok{" in prom.read_text()
    assert first.line.startswith(f"night good: {first.outcome.path.name}: 3 trials in ")
    assert (first.outcome.path / "readings.csv").is_file()
    assert (first.outcome.path / "readings.om").read_text().endswith("# EOF\n")
    assert first.index == root / "site" / "index.html"
    second = a_night(on(captured), root)
    assert not second.resumed
    assert "last night: nothing changed" in second.line
    assert len(list((root / "site" / "nights").iterdir())) == 2


def test_a_changed_input_is_named(captured: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    a_night(on(captured), root)

    def other_kernel(*args: Any, **kwargs: Any) -> Any:
        made = prepared(*args, **kwargs)
        changed = {
            name: replace(kernel, identity=replace(kernel.identity, image_sha256="another"))
            for name, kernel in made.kernels.items()
        }
        return replace(made, kernels=changed)

    at = replace(on(captured, dict.fromkeys(SEEDS, more_instructions)), prepare=other_kernel)
    night = a_night(at, root)
    assert {step.inputs for step in night.shown.history.steps} == {("kernel",)}


def test_a_change_without_a_cause_makes_a_bad_night(captured: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    a_night(on(captured), root)

    night = a_night(on(captured, {1: more_instructions}), root)
    assert night.line.startswith("night bad: ")
    assert "changed and no input did: a fault of the lab" in night.line
    assert night.shown.bad


def test_a_failed_trial_makes_a_bad_night_and_is_no_reason_to_resume(
    captured: Path, tmp_path: Path
) -> None:
    root = tmp_path / "runs"
    panic = with_console("Kernel panic - not syncing: Fatal exception")
    night = a_night(on(captured, {2: panic}), root)
    assert night.line.startswith("night bad: ")
    assert "1 failed" in night.line
    assert unfinished(root, "smoke") is None
    assert not a_night(on(captured), root).resumed


def test_a_first_night_on_which_all_fails_has_its_page_and_ends(
    captured: Path, tmp_path: Path
) -> None:
    root = tmp_path / "runs"
    panic = with_console("Kernel panic - not syncing: Fatal exception")
    night = a_night(on(captured, dict.fromkeys(SEEDS, panic)), root, exports=("csv",))
    assert night.line.startswith(f"night bad: {night.outcome.path.name}: 3 trials, 3 failed in ")
    assert "3 trials without a result" in night.line
    assert "3 trials without a result" in night.index.read_text()
    with pytest.raises(UserError, match="no trial with a result"):
        refuse_empty(night.shown)
    better = a_night(on(captured), root)
    assert not better.resumed
    assert "night bad" not in better.line


def test_an_interrupted_night_goes_on_the_next(captured: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    first = a_night(on(captured, {2: interrupted}), root)
    assert first.line.startswith("night interrupted: ")
    left = unfinished(root, "smoke")
    assert left is not None and left.run == first.outcome.path.name
    second = a_night(on(captured), root)
    assert second.resumed
    assert second.outcome.path == first.outcome.path
    assert ", resumed in " in second.line
    assert len(load_run(second.outcome.path).records) == 3


def test_an_interrupted_night_of_other_inputs_is_left_and_a_new_run_begun(
    captured: Path, tmp_path: Path
) -> None:
    root = tmp_path / "runs"
    first = a_night(on(captured, {2: interrupted}), root)
    second = a_night(replace(on(captured), version=lambda: "QEMU 11"), root)
    assert not second.resumed
    assert second.outcome.path != first.outcome.path


def test_an_interrupted_night_of_an_earlier_program_is_left(
    captured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tonight is about tonight's program."""
    root = tmp_path / "runs"
    first = a_night(on(captured, {2: interrupted}), root)
    monkeypatch.setattr(earlier_program, "needed", lambda _: True)
    second = a_night(on(captured), root)
    assert not second.resumed
    assert second.outcome.path != first.outcome.path


def test_two_nights_in_one_folder_never_meet(captured: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    with filelock.FileLock(root / LOCK), pytest.raises(PrerequisiteError, match="another night"):
        a_night(on(captured), root)
    assert a_night(on(captured), root).outcome.done == 3


def test_the_timers_files_name_the_checkout(tmp_path: Path) -> None:
    subprocess.run(
        ["make", "--no-print-directory", "-o", f"{sys.prefix}/.setup", f"VENV={sys.prefix}",
         "timer", f"UNIT_DIR={tmp_path}"],
        cwd=PROJECT, capture_output=True, text=True, check=True,
        env={"PATH": "/nonexistent:/usr/bin:/bin"},
    )  # fmt: skip
    service = (tmp_path / "execmem-bench-nightly.service").read_text()
    assert f"WorkingDirectory={PROJECT}\n" in service
    assert f"ExecStart={PROJECT}/.venv/bin/execmem-bench nightly\n" in service
    assert "@CHECKOUT@" not in service
    assert "OnCalendar=" in (tmp_path / "execmem-bench-nightly.timer").read_text()
