# SPDX-License-Identifier: GPL-2.0-only
"""The known-answer loops: what the guest is told, and what is made of its counts."""

import functools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.counters import events
from harness.counters import itlb as reports
from harness.errors import InfrastructureError, UserError
from harness.guest.agent.address_spaces import NotKnown
from harness.itlb import known_answers
from harness.itlb import plugin as itlb
from harness.itlb.reference import load_profile
from harness.kernel import Kernel, StageResult
from harness.model.records import KernelIdentity
from harness.pipeline import Progress, hardware, loop_guest, validation
from harness.pipeline.hardware import Hardware, PerfEvent
from harness.pipeline.validation import Check, Counts, Validation, Verdict
from harness.targets import trial_files
from harness.targets.qemu.accel import Accelerator
from harness.targets.qemu.session import VmResult

LOOPS = known_answers.loops("skylake-sp")


def window(number: int, kernel: int = 0, stlb: int = 0, walks: int = 0) -> dict[str, Any]:
    vcpu = {
        "vcpu": 0, "lookups": 100, "l1_hits": 100 - stlb - walks, "stlb_hits": stlb,
        "walks_4k": walks, "walks_2m": 0, "walks_1g": 0, "walks_not_mapped": 0,
        "insns_kernel": kernel, "insns_user": 600, "flushes": {},
    }  # fmt: skip
    site = {"address": "0x1000", "user": True, "global": False, "page": "4k"}
    return {
        "id": number, "vcpus": [vcpu], "watch": [],
        "sites": [{**site, "stlb_hits": stlb, "walks": walks}] if stlb or walks else [],
    }  # fmt: skip


def report(*windows: dict[str, Any]) -> reports.Report:
    document = {
        "schema": 2, "profile": {}, "policy": {}, "qemu": {}, "vcpus": 1,
        "windows": list(windows), "watched": [], "snapshots": [], "unclosed": [],
        "self_checks": [],
    }  # fmt: skip
    return msgspec.convert(document, reports.Report)


def test_each_window_is_a_line_of_the_file() -> None:
    text = loop_guest.loops_file({2: LOOPS[0], 1: LOOPS[1]}).decode()
    assert text.splitlines() == [
        f"1 4k {LOOPS[1].pages} {LOOPS[1].stride} 20 10 200000000000",
        f"2 4k {LOOPS[0].pages} {LOOPS[0].stride} 20 10 200000000000",
    ]


def test_steady_counts_are_those_of_the_window_alone() -> None:
    geometry = load_profile(itlb.profile_path("skylake-sp"))
    for loop in (found for found in LOOPS if found.page_size == "4k" and found.pages < 300):
        known = validation.steady(geometry, loop)
        assert known.lookups == loop.pages * loop_guest.ROUNDS
        assert known.l1_hits + known.stlb_hits + known.walks == known.lookups
        if loop.pages <= 128 and loop.stride == 1:
            assert known.l1_hits == known.lookups


def test_a_window_with_kernel_instructions_is_left_out() -> None:
    windows = {1: LOOPS[0], 2: LOOPS[1], 3: LOOPS[0], 4: LOOPS[1]}
    seen = report(window(1, kernel=5), window(2, stlb=3), window(3, walks=2), window(4, kernel=1))
    found = validation.undisturbed(seen, windows)
    assert found[LOOPS[0]] == Counts(lookups=100, l1_hits=98, stlb_hits=0, walks=2)
    assert found[LOOPS[1]] == Counts(lookups=100, l1_hits=97, stlb_hits=3, walks=0)
    only = validation.undisturbed(report(window(1, kernel=5)), {1: LOOPS[0]})
    assert only == {}
    with pytest.raises(InfrastructureError, match="no window 2"):
        validation.undisturbed(report(window(1)), {2: LOOPS[0]})


@pytest.mark.parametrize(
    ("counted", "verdict"),
    [
        (Counts(lookups=1, l1_hits=1, stlb_hits=0, walks=0), Verdict.EXACT),
        (Counts(lookups=1, l1_hits=0, stlb_hits=1, walks=0), Verdict.DIFFERS),
        (None, Verdict.DISTURBED),
    ],
)
def test_only_exact_is_right(counted: Counts | None, verdict: Verdict) -> None:
    check = Check(
        profile="p", pti="on", page_size="4k", pages=1, stride=1, edge="e", source="geometry",
        expected=Counts(lookups=1, l1_hits=1, stlb_hits=0, walks=0), counted=counted,
    )  # fmt: skip
    assert check.verdict is verdict
    found = Validation(kernel="k", checks=(check,), hardware=Hardware(note="not supported: none"))
    assert found.ok == (verdict is Verdict.EXACT)


def test_profiles_by_name() -> None:
    assert validation.profile_names("all") == tuple(itlb.profiles())
    assert validation.profile_names("zen3,skylake-sp") == ("zen3", "skylake-sp")
    with pytest.raises(UserError, match="no CPU profile 'zen9'"):
        validation.profile_names("zen3,zen9")


def test_events_come_before_the_loops() -> None:
    text = loop_guest.loops_file({1: LOOPS[0]}, [PerfEvent(name="w", type=4, config=0x285)])
    assert text.decode().splitlines()[0] == "event w 4 285"


def test_only_walks_with_a_code_are_asked_for() -> None:
    asked = hardware.wanted(events.EVENTS)
    assert [(event.name, event.type, event.config) for event in asked] == [
        ("itlb.walk_completed_4k", 4, 0x285),
        ("itlb.walk_completed_2m_4m", 4, 0x485),
    ]
    assert hardware.wanted(events.for_cpu(None)) == ()


def test_what_perf_counted_beside_what_it_must() -> None:
    console = "perf 1 itlb.walk_completed_4k 3050\nnoise\nperf-none other No such file\n"
    counted, missing = hardware.parse(console)
    assert missing == {"other": "No such file"}
    (row,) = hardware.compared({1: LOOPS[0]}, {LOOPS[0]: 30}, counted)
    assert (row.expected, row.counted) == (3000, 3050)
    assert row.error == pytest.approx(50 / (LOOPS[0].pages * loop_guest.ROUNDS * 100))


def test_a_kvm_guest_that_does_not_end_costs_no_other_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KVM that runs the probe and no kernel: what the model counted is told all the same."""
    guest = loop_guest.LoopGuest(
        image=tmp_path, plugin=tmp_path, program=tmp_path / "loops.c", profile="p", pti="on"
    )

    def silent(*_: Any, **__: Any) -> VmResult:
        (tmp_path / trial_files.CONSOLE).write_text("")
        why = "nothing written after 30 s of wall time"
        return VmResult(returncode=None, stopped=why, stderr="", seconds=30.0)

    monkeypatch.setattr(loop_guest, "boot", silent)
    monkeypatch.setattr("harness.image.cpio.write", lambda *_: None)
    event = PerfEvent(name="w", type=4, config=0x285)
    monkeypatch.setattr(hardware, "wanted", lambda _: (event,))
    works = Accelerator(works=True, reason="a kvm guest ran the probe's boot sector")
    found = hardware.measure(guest, [{1: LOOPS[0]}], {LOOPS[0]: 1}, tmp_path, works)
    assert found == Hardware(
        note="not counted: the KVM guest: the loops did not run on p: "
        "nothing written after 30 s of wall time"
    )


def test_without_kvm_nothing_is_counted(tmp_path: Path) -> None:
    guest = loop_guest.LoopGuest(
        image=tmp_path, plugin=tmp_path, program=tmp_path, profile="p", pti="on"
    )
    none = Accelerator(works=False, reason="there is none")
    assert hardware.measure(guest, [], {}, tmp_path, none) == Hardware(
        note="not supported: there is none"
    )


STEADY = validation.steady


@functools.cache
def known_of(loop: known_answers.Loop) -> known_answers.Expected:
    return STEADY(load_profile(itlb.profile_path("skylake-sp")), loop)


def as_known(number: int, loop: known_answers.Loop, *, more: int = 0) -> dict[str, Any]:
    """A window that counts what is known of ``loop``, and ``more`` second-level hits."""
    known = known_of(loop)
    one = window(number, stlb=known.stlb_hits + more, walks=known.walks)
    one["vcpus"][0] |= {"lookups": known.lookups, "l1_hits": known.l1_hits}
    return one


def made_ready(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stand-in for kernels, plugin and programs: the guest of these tests is never booted."""
    kernel = Kernel(
        identity=KernelIdentity(name="k", image_sha256=""), title="", image=tmp_path / "bzImage"
    )

    def kernels(text: str, *_: Any, **__: Any) -> StageResult:
        return StageResult(kernels=(kernel,) * len(text.split(",")), bench=None)

    def no_types(_: Path) -> int:
        raise NotKnown("the image has no types")

    monkeypatch.setattr("harness.pipeline.prepare.kernels", kernels)
    monkeypatch.setattr(validation, "build_program", lambda path: path)
    monkeypatch.setattr(
        "harness.itlb.plugin.build_plugin", lambda: itlb.Plugin(path=tmp_path, sha256="")
    )
    monkeypatch.setattr("harness.pipeline.process_guest.contexts_offset", no_types)
    monkeypatch.setattr(
        "harness.doctor.hardware", lambda _: Accelerator(works=False, reason="no KVM")
    )


def test_every_loop_has_its_verdict_and_what_was_not_run_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made_ready(monkeypatch, tmp_path)
    few = [loop for loop in LOOPS if loop.pages < 300]
    monkeypatch.setattr(validation, "steady", lambda _, loop: known_of(loop))
    monkeypatch.setattr(validation, "_loops", lambda _: few)
    wrong, disturbed = few[0], few[1]

    def ran(_: Any, windows: loop_guest.Windows, __: Path) -> reports.Report:
        found = [
            as_known(number, loop, more=int(loop == wrong)) for number, loop in windows.items()
        ]
        for one, loop in zip(found, windows.values(), strict=True):
            one["vcpus"][0]["insns_kernel"] = 5 * (loop == disturbed)
        return report(*found)

    monkeypatch.setattr(loop_guest.LoopGuest, "run", ran)
    found = validation.validate("k", "skylake-sp", ("on",), Progress(quiet=True))
    verdicts = [check.verdict for check in found.checks]
    assert verdicts.count(Verdict.DIFFERS) == 1
    assert verdicts.count(Verdict.DISTURBED) == 1
    assert verdicts.count(Verdict.EXACT) == len(verdicts) - 2 > 5
    assert not found.ok
    assert found.processes_note == "the image has no types"
    assert found.hardware == Hardware(note="not supported: no KVM")


def test_the_loops_run_in_one_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made_ready(monkeypatch, tmp_path)
    with pytest.raises(UserError, match="the loops run in one kernel"):
        validation.validate("a,b", "skylake-sp", ("on",), Progress(quiet=True))


def test_a_window_that_the_model_did_not_see_is_no_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made_ready(monkeypatch, tmp_path)
    monkeypatch.setattr(loop_guest.LoopGuest, "run", lambda *_: report())
    with pytest.raises(InfrastructureError, match="the model saw no window 1"):
        validation.validate("k", "skylake-sp", ("on",), Progress(quiet=True))
