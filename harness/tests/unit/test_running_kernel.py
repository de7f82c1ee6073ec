# SPDX-License-Identifier: GPL-2.0-only
"""KERNEL=local: what is taken from the machine, what is refused, and what a trial leaves.

The machines are stand-ins, made up or recorded, and prove only what is decided.
"""

import gzip
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import proc
from harness.config import definitions
from harness.doctor import RecordedFacts
from harness.doctor.programs import LOCAL
from harness.errors import InfrastructureError, PrerequisiteError, UserError
from harness.kernel import running
from harness.kernel.artefacts import RunningKernel
from harness.model.trial_settings import Counters, Mode, Pti
from harness.pipeline import Progress, RunRequest, prepare, running_kernel
from harness.pipeline.machine import Machine
from harness.pipeline.planning import plan
from harness.pipeline.running_kernel import ONLINE
from harness.targets.local import left_over, local_target
from harness.targets.local.kernel_log import KernelLog, line
from harness.targets.target import KernelFiles, Payload
from harness.tests.unit.test_targets import payload as payload  # a fixture

CPUINFO = "processor\t: 0\nflags\t\t: fpu pti\n\nprocessor\t: 1\nflags\t\t: fpu pti\n"
LAB = RecordedFacts(
    files={
        "/proc/cpuinfo": CPUINFO,
        "/sys/devices/system/cpu/online": "0-1",
        "/proc/meminfo": "MemTotal:       16384000 kB\nMemFree: 1 kB\n",
        "/proc/cmdline": "BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 ro quiet",
        "/sys/devices/system/cpu/vulnerabilities/meltdown": "Mitigation: PTI",
    },
    folders={"/sys/bus/event_source/devices": ("cpu", "software")},
    programs=frozenset(LOCAL),
)
"""A stand-in: a lab machine with two CPUs and a PMU, isolating page tables."""


def planned(facts: RecordedFacts = LAB, **request: Any) -> Any:
    request = {"kernels": "local", "suite": "smoke", **request}
    return plan(RunRequest(**request), Machine(facts=facts))


@pytest.fixture(autouse=True)
def _as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def test_the_machine_decides_the_settings() -> None:
    made = planned(suite="quick")
    (settings,) = made.suite.settings
    assert (settings.mode, settings.pti, settings.smp, settings.kaslr) == (
        Mode.LOCAL,
        Pti.ON,
        2,
        True,
    )
    assert {spec.memory_mib for spec, _ in made.workloads} == {16000}
    assert made.choice.counters is Counters.PERF


def test_without_a_pmu_auto_takes_the_facts_and_says_why() -> None:
    bare = replace(LAB, folders={"/sys/bus/event_source/devices": ("software",)})
    choice = planned(bare).choice
    assert choice.counters is Counters.NONE
    assert choice.reason == "none, only facts, because there is no PMU"
    with pytest.raises(PrerequisiteError, match="--counters perf with KERNEL=local: there is no"):
        planned(bare, settings={"counters": "perf"})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pti": ("off",)}, "--pti off with KERNEL=local: this machine has on"),
        ({"pti": ("on", "off")}, "--pti on,off with KERNEL=local: this machine has on"),
        ({"smp": 4}, "--smp 4 with KERNEL=local: this machine has 2"),
        ({"kaslr": False}, "--kaslr off with KERNEL=local: this machine has on"),
        ({"mode": "exact"}, "--mode exact with KERNEL=local: this machine has local"),
        ({"counters": "model"}, "--counters model with KERNEL=local: it counts guests only"),
        ({"counters": "host"}, "--counters host with KERNEL=local: it counts guests only"),
        ({"counters": "both"}, "--counters both with KERNEL=local: it counts guests only"),
    ],
)
def test_what_the_machine_is_not_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        planned(settings=settings)


def test_what_the_machine_is_may_be_asked_for() -> None:
    assert planned(settings={"pti": ("on",), "smp": 2, "mode": "local", "counters": "none"})


@pytest.mark.parametrize("text", ["local,upstream", "a=local,b=local"])
def test_it_is_measured_alone(text: str) -> None:
    with pytest.raises(UserError, match="only one kernel is running"):
        planned(kernels=text)


def test_a_trace_and_a_mode_without_the_kernel_are_refused() -> None:
    with pytest.raises(UserError, match="--trace with KERNEL=local"):
        planned(trace=True)
    with pytest.raises(UserError, match="--mode local: it is the mode of one kernel"):
        planned(kernels="upstream", settings={"mode": "local"})


def test_a_suite_cannot_have_its_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    smoke = definitions.suite("smoke").with_settings(mode=Mode.LOCAL)
    monkeypatch.setattr(definitions, "suite", lambda _: smoke)
    with pytest.raises(UserError, match="suite smoke: mode local: it is the mode of one kernel"):
        planned(kernels="upstream")


@pytest.mark.parametrize("untold", ["/proc/cpuinfo", "/proc/meminfo", "/proc/cmdline", ONLINE])
def test_a_machine_that_does_not_tell_what_it_is(untold: str) -> None:
    mute = replace(LAB, files={path: text for path, text in LAB.files.items() if path != untold})
    with pytest.raises(PrerequisiteError, match="the machine does not tell its CPUs, memory"):
        planned(mute)


def test_a_setting_that_cannot_be_set_leaves_the_others_as_they_were(
    payload: Payload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first"
    first.write_text("0")
    monkeypatch.setattr(local_target, "unpack", lambda *_: None)
    monkeypatch.setattr(local_target, "settings", lambda: {str(first): "1", str(tmp_path): "1"})
    target = local_target.LocalTarget(state=tmp_path / "state.json")
    with pytest.raises(InfrastructureError):
        target.run(payload)
    assert first.read_text() == "0"


def test_all_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(PrerequisiteError) as caught:
        planned(replace(LAB, programs=frozenset(LOCAL) - {"cpio"}))
    text = str(caught.value)
    assert "user 1000 may not load BPF programs" in text
    assert "tools for KERNEL=local: not there: cpio" in text
    assert text.endswith("run as root, or with sudo; install util-linux and cpio")


def test_it_is_neither_built_nor_booted() -> None:
    with pytest.raises(UserError, match="KERNEL=a=local: the running kernel is measured as it is"):
        prepare.kernels("a=local", Progress(quiet=True), bench=False)


def test_it_says_what_it_is_going_to_do() -> None:
    workloads = [definitions.workload(name)[0] for name in ("trig-kprobe", "ageing")]
    text = "\n".join(running_kernel.announcement("6.1.0-lab", workloads))
    assert "Linux 6.1.0-lab runs trig-kprobe, ageing itself, as root" in text
    assert "BPF programs, kprobes, modules: 8021q" in text
    assert "kernel/kptr_restrict=0" in text
    assert "stays until the next boot: the direct map" in text
    churn = running_kernel.announcement("6.1.0-lab", [definitions.workload("churn")[0]])
    assert "  loads, and removes at the end: BPF programs" in churn


def machine(root: Path, config: bytes | None = None) -> Path:
    for name, data in (
        ("proc/sys/kernel/osrelease", b"6.1.0-lab\n"),
        ("sys/kernel/notes", b"build-id"),
        ("lib/modules/6.1.0-lab/modules.dep", b""),
        *((("proc/config.gz", config),) if config is not None else ()),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def test_a_kernel_is_known_by_its_notes(tmp_path: Path) -> None:
    root = machine(tmp_path, gzip.compress(b"CONFIG_BPF=y\n"))
    made = running.adopt(RunningKernel(name="lab"), root)
    assert (made.name, made.identity.release) == ("lab", "6.1.0-lab")
    assert made.options == {"CONFIG_BPF": "y"}
    assert made.modules == root
    (root / "sys/kernel/notes").write_bytes(b"another build-id")
    other = running.adopt(RunningKernel(name="lab"), root)
    assert other.identity.image_sha256 != made.identity.image_sha256


@pytest.mark.parametrize(
    "config",
    [None, b"not gzip", gzip.compress(b"CONFIG_A=y", mtime=0)[:-9]],
    ids=["none", "foreign", "cut"],
)
def test_a_configuration_that_is_not_to_be_had_is_not_known(
    tmp_path: Path, config: bytes | None
) -> None:
    root = machine(tmp_path, config)
    assert running.adopt(RunningKernel(name="lab"), root).options is None
    (root / "boot").mkdir()
    (root / "boot/config-6.1.0-lab").write_text("CONFIG_BPF=y\n")
    assert running.adopt(RunningKernel(name="lab"), root).options == {"CONFIG_BPF": "y"}


def test_a_machine_that_does_not_tell_its_kernel(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"KERNEL=local: .*osrelease: No such file"):
        running.adopt(RunningKernel(name="lab"), tmp_path)


def test_the_command_leaves_nothing_on_the_machine() -> None:
    words = local_target.argv(Path("/work/root"))
    assert words[0] == "unshare"
    assert {"--mount", "--pid", "--net", "--fork", "--kill-child=KILL"} <= set(words)
    assert words[-5:] == [
        "chroot",
        "/work/root",
        "/bin/busybox",
        "sh",
        "/opt/execmem-bench/agent/local",
    ]


def test_what_is_set_is_what_guests_set() -> None:
    assert local_target.settings() == {
        "/proc/sys/net/core/bpf_jit_enable": "1",
        "/proc/sys/net/core/bpf_jit_kallsyms": "1",
        "/proc/sys/kernel/kptr_restrict": "0",
        "/proc/sys/kernel/perf_event_paranoid": "-1",
    }


MODULES = "veth 40960 0 - Live 0x0\ndummy 16384 0 - Live 0x0\next4 901120 1 - Live 0x0\n"


def test_only_modules_of_the_workload_are_removed(
    payload: Payload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one that was there, and not one that something else loaded meanwhile."""
    removed: list[list[str]] = []
    monkeypatch.setattr(proc, "run", lambda argv, **_: removed.append(argv))
    files = {"6.1": ("kernel/veth.ko.xz", "kernel/dummy.ko", "modules.dep")}
    own = replace(payload, kernel_files=KernelFiles(module_files=files))
    before = left_over.now(own, "dummy 16384 0 - Live 0x0\n")
    left_over.remove(before, left_over.now(own, MODULES))
    assert removed == [["rmmod", "veth"]]


def test_a_trigger_of_ours_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "trigger"
    path.write_text("hist:keys=reason:vals=hitcount:sort=hitcount:size=2048 [active]\n")
    none = left_over.Present(modules=(), triggers=())
    there = left_over.Present(modules=(), triggers=((path, "hist:keys=reason"),))
    left_over.remove(there, there)
    assert path.read_text().startswith("hist:")
    left_over.remove(none, there)
    assert path.read_text() == "!hist:keys=reason"


@pytest.mark.parametrize(
    ("record", "shown"),
    [
        (b"4,881,94337910,-;WARNING: CPU: 0\n SUBSYSTEM=x\n", b"[   94.337910] WARNING: CPU: 0\n"),
        (b"6,1,5,-,caller=T1;a;b\n", b"[    0.000005] a;b\n"),
        (b"junk", b"\n"),
    ],
)
def test_a_kernel_message_reads_as_on_a_console(record: bytes, shown: bytes) -> None:
    assert line(record) == shown


def test_a_machine_without_a_log_has_none(tmp_path: Path) -> None:
    assert KernelLog(tmp_path / "kmsg").since() == b""


def test_only_later_messages_are_taken(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.write_bytes(b"6,1,5,-;before\n")
    kept = KernelLog(log)
    with log.open("ab") as file:
        file.write(b"6,2,6,-;after\n")
    assert kept.since() == b"[    0.000006] after\n"
