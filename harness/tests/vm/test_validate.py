# SPDX-License-Identifier: GPL-2.0-only
"""The known-answer loops in a real guest, on every CPU profile."""

from pathlib import Path

import pytest

from harness import pipeline
from harness.image.compiled import build_program
from harness.itlb import known_answers
from harness.itlb import plugin as itlb
from harness.itlb.reference import load_profile
from harness.model.trial_settings import Mode
from harness.pipeline import Progress, hardware, prepare
from harness.pipeline.hardware import PerfEvent
from harness.pipeline.loop_guest import PROGRAM, LoopGuest
from harness.pipeline.validation import SIZES, Verdict

pytestmark = pytest.mark.vm


SIMILAR = ("granite-rapids", "haswell", "zen4", "zen4-linear")
"""Of a geometry that another profile has, or nearly."""


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(name, marks=pytest.mark.long if name in SIMILAR else ())
        for name in itlb.profiles()
    ],
)
def test_every_loop_is_counted_exactly(profile: str) -> None:
    found = pipeline.validate("bpf_prog_pack", profile, ("off",), pipeline.Progress(quiet=True))
    assert {check.page_size for check in found.checks} == set(SIZES) - absent(profile)
    assert [check for check in found.checks if check.verdict is not Verdict.EXACT] == []
    assert found.processes
    assert [check for check in found.processes if not check.exact] == []
    # Something was missed: a model that always hits would not pass.
    assert any(check.expected.stlb_hits for check in found.checks)
    assert any(check.expected.walks for check in found.checks) or skewed(profile)
    assert any(check.expected for check in found.processes)


def absent(profile: str) -> set[str]:
    """Page sizes that no entry of this CPU holds."""
    buffers = load_profile(itlb.profile_path(profile)).values()
    return set() if any("16k" in b for b in buffers if isinstance(b, dict)) else {"16k"}


def skewed(profile: str) -> bool:
    """Which of too many pages stay depends on what was there before: only fewer are exact."""
    return bool(load_profile(itlb.profile_path(profile))["stlb"]["index"] == "skewed")


def test_isolation_changes_nothing_for_one_process() -> None:
    found = pipeline.validate("bpf_prog_pack", "skylake-sp", ("on",), pipeline.Progress(quiet=True))
    assert found.ok


def test_the_loops_under_perf_in_a_guest_without_a_pmu(tmp_path: Path) -> None:
    """The road of the hardware's counters, with a counter that the kernel itself keeps."""
    windows = {1: known_answers.loops("skylake-sp")[0]}
    guest = LoopGuest(
        image=prepare.kernels("bpf_prog_pack", Progress(quiet=True), bench=False).kernels[0].image,
        plugin=tmp_path / "none",
        program=build_program(PROGRAM),
        profile="skylake-sp",
        pti="off",
    )
    asked = [
        PerfEvent(name="page_faults", type=hardware.SOFTWARE, config=2),
        PerfEvent(name="walks", type=hardware.RAW, config=0x285),
    ]
    console = guest.run_under_perf(windows, asked, tmp_path, Mode.EXACT)
    counted, missing = hardware.parse(console)
    assert counted == {(1, "page_faults"): 0}
    assert set(missing) == {"walks"}
