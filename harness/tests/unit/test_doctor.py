# SPDX-License-Identifier: GPL-2.0-only
"""What doctor says of machines: this one as it was recorded, and stand-ins of lab machines.

The stand-ins are made up from the kernel's documentation of each file: they prove what is
decided, and say nothing of any hardware.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness.doctor import (
    HARDWARE,
    Area,
    Diagnosis,
    Facts,
    HostFacts,
    Level,
    RecordedFacts,
    Recorder,
    Use,
    diagnose,
    hardware,
    state,
)
from harness.doctor.pmu import PERF
from harness.doctor.programs import BUILD, LOCAL, major
from harness.errors import PrerequisiteError
from harness.model.trial_settings import Counters, Mode
from harness.pipeline import doctoring
from harness.targets.qemu.accel import Accelerator

QEMU = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)"
WORKS = Accelerator(works=True, reason="a kvm guest ran the probe's boot sector")
BROKEN = Accelerator(
    works=False, reason="KVM does not run a guest here (QEMU ended with status 134)", detail="ret"
)
CPU = "/sys/devices/system/cpu"


def cpuinfo(vendor: str, family: int, model: int, flags: str) -> str:
    return f"vendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\nflags\t\t: {flags}"


INTEL = RecordedFacts(
    files={
        "/proc/cpuinfo": cpuinfo("GenuineIntel", 6, 0x55, "fpu vmx"),
        "/proc/loadavg": "0.05 0.10 0.08 1/512 4242",
        "/proc/sys/kernel/nmi_watchdog": "0",
        "/sys/module/kvm/parameters/enable_pmu": "Y",
        "/sys/module/kvm/parameters/nx_huge_pages": "N",
        "/sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
        "/sys/kernel/mm/ksm/run": "0",
        f"{CPU}/smt/active": "0",
        f"{CPU}/isolated": "2-15",
        f"{CPU}/intel_pstate/no_turbo": "1",
        f"{CPU}/cpu0/cpufreq/scaling_governor": "performance",
        f"{CPU}/cpu1/cpufreq/scaling_governor": "performance",
        "/sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc",
    },
    folders={
        "/dev": ("kvm", "null"),
        "/sys/module": ("kvm", "kvm_intel"),
        "/sys/bus/event_source/devices": ("breakpoint", "cpu", "software"),
        CPU: ("cpu0", "cpu1", "cpufreq", "online"),
    },
    programs=frozenset((*BUILD, *LOCAL, PERF, "clang-14")),
    room={"cache": 100 << 30, "results": 100 << 30, "memory": 64 << 30},
)
"""A stand-in: a Skylake server as a lab would set it up."""


def changed(
    base: RecordedFacts = INTEL,
    files: Mapping[str, str | None] | None = None,
    folders: Mapping[str, tuple[str, ...]] | None = None,
    **others: Any,
) -> RecordedFacts:
    """``base`` with other files (None: not there) and folders."""
    merged = {**base.files, **(files or {})}
    return replace(
        base,
        files={path: text for path, text in merged.items() if text is not None},
        folders={**base.folders, **(folders or {})},
        **others,
    )


AMD = changed(
    files={
        "/proc/cpuinfo": cpuinfo("AuthenticAMD", 0x19, 0x11, "fpu svm"),
        f"{CPU}/intel_pstate/no_turbo": None,
        f"{CPU}/cpufreq/boost": "0",
    },
    folders={"/sys/module": ("kvm", "kvm_amd")},
)
"""A stand-in: a Zen 4 server."""


def seen(facts: Facts, probe: Accelerator = WORKS, qemu: str | None = QEMU) -> Diagnosis:
    return diagnose(facts, qemu=qemu, probe=lambda: probe)


def levels(found: Diagnosis) -> dict[str, Level]:
    return {one.name: one.level for one in found.findings}


@pytest.mark.parametrize("facts", [INTEL, AMD], ids=["intel", "amd"])
def test_a_machine_that_is_set_up_right(facts: RecordedFacts) -> None:
    found = seen(facts)
    assert {one.name: one.found for one in found.findings if one.level is not Level.OK} == {}
    assert not found.why_not(*Use)
    assert doctoring.chosen(found).counters is Counters.PERF
    assert hardware(HARDWARE, facts, lambda: WORKS) == WORKS


@pytest.mark.parametrize(
    ("facts", "name", "level", "fix"),
    [
        (changed(files={"/proc/sys/kernel/nmi_watchdog": "1"}), "pmu.watchdog", Level.NOTE,
         "echo 0 > /proc/sys/kernel/nmi_watchdog"),
        (changed(files={f"{CPU}/smt/active": "1"}), "pmu.smt", Level.NOTE,
         f"echo off > {CPU}/smt/control"),
        (changed(files={"/sys/module/kvm/parameters/enable_pmu": "N"}), "pmu.guest", Level.NOTE,
         "modprobe -r kvm_intel kvm_amd kvm; modprobe kvm enable_pmu=1"),
        (changed(files={f"{CPU}/cpu1/cpufreq/scaling_governor": "powersave"}), "noise.governor",
         Level.NOTE, f"echo performance | tee {CPU}/cpu*/cpufreq/scaling_governor"),
        (changed(files={f"{CPU}/intel_pstate/no_turbo": "0"}), "noise.turbo", Level.NOTE,
         f"echo 1 > {CPU}/intel_pstate/no_turbo"),
        (changed(AMD, files={f"{CPU}/cpufreq/boost": "1"}), "noise.turbo", Level.NOTE,
         f"echo 0 > {CPU}/cpufreq/boost"),
        (changed(files={"/sys/kernel/mm/ksm/run": "1"}), "noise.ksm", Level.NOTE,
         "echo 0 > /sys/kernel/mm/ksm/run"),
        (changed(files={"/proc/loadavg": "3.1 0 0 1/2 3"}), "noise.load", Level.NOTE, "stop what"),
        (changed(files={f"{CPU}/isolated": ""}), "noise.isolated", Level.NOTE, "boot with"),
        (changed(files={"/sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]"}),
         "kvm.thp", Level.NOTE, "echo madvise > "),
        (changed(files={"/sys/module/kvm/parameters/nx_huge_pages": "Y"}), "kvm.nx_huge_pages",
         Level.NOTE, "echo N > "),
        (changed(folders={"/sys/bus/event_source/devices": ("cpu_atom", "cpu_core")}),
         "pmu.hybrid", Level.NOTE, "taskset"),
        (changed(files={"/proc/cpuinfo": cpuinfo("GenuineIntel", 6, 0x2A, "vmx")}), "pmu.events",
         Level.NOTE, "add the part"),
        (changed(files={"/proc/cpuinfo": cpuinfo("GenuineIntel", 6, 0x55, "vmx hypervisor")}),
         "kvm.nested", Level.NOTE, "run on the metal"),
        (changed(room={"cache": 1 << 30, "results": 1 << 40, "memory": 1 << 40}), "room.cache",
         Level.NOTE, "execmem-bench cache --prune"),
        (changed(programs=INTEL.programs - {"pahole"}), "build", Level.WRONG, "make setup"),
        (changed(programs=INTEL.programs - {"clang-14"}), "build", Level.WRONG, "make setup"),
        (changed(folders={"/sys/module": ("kvm",)}), "kvm.module", Level.WRONG, "modprobe kvm"),
        (changed(folders={"/dev": ()}), "kvm.device", Level.WRONG, "modprobe kvm"),
        (changed(refused={"/dev/kvm": "Permission denied"}), "kvm.device", Level.WRONG,
         "usermod -aG kvm $USER"),
        (changed(folders={"/sys/bus/event_source/devices": ("software",)}), "pmu.device",
         Level.WRONG, "none here"),
    ],
)  # fmt: skip
def test_each_thing_is_found_and_its_fix_is_said(
    facts: RecordedFacts, name: str, level: Level, fix: str
) -> None:
    """One thing at a time, and nothing else is said to be amiss."""
    found = seen(facts)
    assert {key: value for key, value in levels(found).items() if value is not Level.OK} == {
        name: level
    }
    (one,) = (one for one in found.findings if one.name == name)
    assert one.fix.startswith(fix)
    assert one.why
    assert one.wanted


def test_what_cannot_be_read_is_unknown_and_neither_good_nor_bad() -> None:
    found = seen(RecordedFacts(programs=INTEL.programs))
    unknown = {name for name, level in levels(found).items() if level is Level.UNKNOWN}
    assert {"noise.turbo", "noise.governor", "pmu.watchdog", "kvm.cpu", "room.memory"} <= unknown
    assert "noise.turbo" not in {one.name for use in Use for one in found.against(use)}


@pytest.mark.parametrize(
    ("version", "number"),
    [(QEMU, 10), ("QEMU emulator version 7.2.0", 7), ("", None), (None, None), ("version x", None)],
)
def test_versions(version: str | None, number: int | None) -> None:
    assert major(version) == number
    assert bool(seen(INTEL, qemu=version).why_not(Use.EXACT)) == (number != 10)


def test_a_device_that_opens_and_runs_nothing() -> None:
    """The probe decides; exact mode does not mind."""
    found = seen(INTEL, BROKEN)
    assert found.why_not(Use.KVM) == BROKEN.reason
    assert not found.why_not(Use.EXACT, Use.BUILD)
    auto = doctoring.chosen(found)
    assert (auto.counters, auto.mode) == (Counters.MODEL, Mode.EXACT)
    assert auto.reason == f"the model, because {BROKEN.reason}"


def test_no_guest_is_booted_where_something_else_stands_against_it() -> None:
    def booted() -> Accelerator:
        raise AssertionError("a guest was booted")

    no_pmu = changed(folders={"/sys/bus/event_source/devices": ("software",)})
    assert hardware(HARDWARE, no_pmu, booted).reason == "there is no PMU"
    assert hardware(frozenset({Use.KVM}), no_pmu, lambda: WORKS).works
    soft = changed(folders={"/sys/module": ("kvm", "kvm_pvm")})
    assert hardware(frozenset({Use.KVM}), soft, booted).reason == (
        "no module kvm_intel or kvm_amd, and kvm_pvm runs guests without hardware"
    )


@pytest.mark.parametrize(
    ("counters", "mode", "fits"),
    [
        (Counters.AUTO, None, True),
        (Counters.MODEL, None, True),
        (Counters.MODEL, Mode.FAST, True),
        (Counters.PERF, Mode.EXACT, True),  # software events
        (Counters.PERF, None, False),
        (Counters.NONE, Mode.KVM, False),
    ],
)
def test_the_exit_code_is_about_what_was_asked_for(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    counters: Counters,
    mode: Mode | None,
    fits: bool,
) -> None:
    monkeypatch.setattr(doctoring, "diagnose", lambda facts, qemu: seen(facts, BROKEN, QEMU))
    monkeypatch.setattr(doctoring, "qemu_version", lambda: QEMU)
    if fits:
        doctoring.doctor(counters, mode, as_json=False, facts=False, machine=INTEL)
    else:
        with pytest.raises(PrerequisiteError, match="this machine cannot: guests under KVM") as why:
            doctoring.doctor(counters, mode, as_json=False, facts=False, machine=INTEL)
        assert why.value.remedy == "use --mode exact; dmesg | grep -i kvm says more"
    out = capsys.readouterr().out
    assert all(area.value in out for area in Area)
    assert "last words: ret" in out
    assert "--counters auto takes the model, because KVM does not run a guest here" in out


def test_as_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctoring, "diagnose", lambda facts, qemu: seen(facts, BROKEN, QEMU))
    doctoring.doctor(Counters.AUTO, None, as_json=True, facts=False, machine=INTEL)
    document = json.loads(capsys.readouterr().out)
    assert document["uses"]["exact"] == {"can": True, "why_not": ""}
    assert document["uses"]["perf"] == {"can": False, "why_not": BROKEN.reason}
    assert document["auto"]["counters"] == "model"
    assert {one["level"] for one in document["findings"]} <= {level.value for level in Level}


def test_how_a_machine_is_set_is_kept_without_booting_a_guest() -> None:
    kept = state(INTEL)
    assert kept["noise.governor"] == "performance on 2"
    assert kept["kvm.nx_huge_pages"] == "nx_huge_pages=N"
    assert "kvm.probe" not in kept


def test_what_was_read_of_a_machine_says_the_same_elsewhere() -> None:
    """--facts of a lab's machine is looked at anywhere."""
    recorder = Recorder(of=AMD)
    first = seen(recorder)
    assert seen(recorder.recorded()) == first


def test_this_machine_is_read_without_an_error() -> None:
    facts = HostFacts()
    assert facts.text("/proc/cpuinfo")
    assert facts.text("/nowhere") is None
    assert facts.names("/nowhere") == ()
    assert facts.opens("/nowhere") == "No such file or directory"
    assert facts.program("sh")
    assert (facts.free("cache") or 0) > 0
    assert {one.area for one in seen(facts).findings} == set(Area)
