# SPDX-License-Identifier: GPL-2.0-only
"""The workload modules-race outside a guest: what takes part, what is lost, what is wrong."""

import errno
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from harness.tests.unit.guest_modules import workload_module

DEPENDENCIES = """\
kernel/net/ipv4/tcp_bbr.ko:
kernel/drivers/net/vxlan/vxlan.ko: kernel/net/ipv4/udp_tunnel.ko
kernel/net/sched/sch-codel.ko.xz:
kernel/lib/test_bpf.ko:
"""
MODULES = {f"/m/m{n}.ko": f"m{n}" for n in range(6)}


@pytest.fixture
def race(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    module = workload_module(monkeypatch, "modules-race", "modules_race")
    monkeypatch.setattr(module, "OUTPUT", tmp_path / "out")
    return module


class Kernel:
    """A kernel that loads, unloads and runs; each of its answers can be another."""

    def __init__(self, race: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.loaded: set[str] = set()
        self.refuses: dict[str, int] = {}
        self.programs: dict[int, int] = {}
        self.damaged: set[int] = set()
        self.closed: list[int] = []
        monkeypatch.setattr(race, "load_module", self.load_module)
        monkeypatch.setattr(race, "unload_module", self.unload_module)
        monkeypatch.setattr(race.bpf, "load", self.load)
        monkeypatch.setattr(race.bpf, "run", self.run)
        monkeypatch.setattr(race.os, "close", self.closed.append)

    def load_module(self, path: str) -> int:
        name = Path(path).stem
        if name in self.refuses:
            return self.refuses[name]
        if name in self.loaded:
            return errno.EEXIST
        self.loaded.add(name)
        return 0

    def unload_module(self, name: str) -> int:
        if name not in self.loaded:
            return errno.ENOENT
        self.loaded.remove(name)
        return 0

    def load(self, kind: int, text: bytes) -> int:
        number = 1000 + len(self.programs)
        self.programs[number] = len(text) // 8
        return number

    def run(self, fd: int) -> int:
        return (self.programs[fd] - 2) * 1000 + (fd in self.damaged)


@pytest.fixture
def kernel(race: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(race, monkeypatch)


def test_only_modules_without_dependencies_take_part(race: ModuleType) -> None:
    found = race.independent(DEPENDENCIES, "test_*,tcrypt")
    assert found == ["kernel/net/ipv4/tcp_bbr.ko", "kernel/net/sched/sch-codel.ko.xz"]
    assert race.name_of(found[1]) == "sch_codel"
    assert len(race.independent(DEPENDENCIES, "")) == 3


def test_what_another_process_came_before_is_no_failure(race: ModuleType, kernel: Kernel) -> None:
    found = race.load_and_unload(list(MODULES), 200, Random(1))
    assert found["failures"] == {}
    assert found["loaded"] + found["lost"] > 200
    assert 0 < found["lost"] < 400
    assert found["loaded"] >= len(kernel.loaded)


def test_any_other_refusal_is_a_failure_and_says_why(race: ModuleType, kernel: Kernel) -> None:
    kernel.refuses = {"m2": errno.ENOMEM}
    found = race.load_and_unload(list(MODULES), 200, Random(1))
    assert set(found["failures"]) == {"m2: ENOMEM"}
    assert race.failures_of([found, found])["m2: ENOMEM"] == 2 * found["failures"]["m2: ENOMEM"]


def churned(race: ModuleType, loads: int, kept: int) -> dict[str, Any]:
    left = iter([False] * loads + [True])
    found: dict[str, Any] = race.run_programs(kept, Random(1), lambda: next(left))
    return found


def test_programs_come_and_go_and_all_are_run(race: ModuleType, kernel: Kernel) -> None:
    found = churned(race, 20, 4)
    assert found == {"programs": 20, "wrong": 0, "failures": {}}
    assert sorted(kernel.closed) == sorted(kernel.programs)


def test_text_that_changed_is_seen_when_it_runs(race: ModuleType, kernel: Kernel) -> None:
    kernel.damaged = {1003}
    assert churned(race, 20, 4)["wrong"] == 2, "after its load and before its end"


def test_a_program_that_does_not_load(
    race: ModuleType, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(kind: int, text: bytes) -> int:
        raise OSError(errno.ENOMEM, "no")

    monkeypatch.setattr(race.bpf, "load", refuse)
    assert churned(race, 3, 4) == {"programs": 0, "wrong": 0, "failures": {"ENOMEM": 3}}


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("WARNING: CPU: 0 PID: 71 at kernel/module/main.c:1 x+0x1", True),
        ("WARNING: mm/execmem.c:300 at execmem_free+0x1, CPU#0: a/1", True),
        ("BUG: unable to handle page fault for address: ffffffffc0001000", True),
        ("Oops: invalid opcode: 0000 [#1] SMP PTI", True),
        ("bpf_prog_pack bug: missing bpf_arch_text_invalidate?", True),
        ("execmem: unable to allocate memory", True),
        ("bonding: no warning: ordinary words", False),
        ("Oopsie Daisy", True),
        ("null_blk: module loaded", False),
    ],
)
def test_splats(race: ModuleType, line: str, wrong: bool) -> None:
    assert race.splats([line]) == ([line] if wrong else [])


class Log:
    lost = False

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)


class Guest:
    """What the workload is given, recording what it reports."""

    def __init__(self, **params: Any) -> None:
        defaults = {
            "loads": 8, "loaders": 2, "churners": 1, "kept": 2, "exclude": "", "settle_s": 0,
        }  # fmt: skip
        self.params = {**defaults, **params}
        self.readings: dict[str, Any] = {}
        self.notes: list[str] = []
        self.words: dict[str, str] = {}

    def emit(self, name: str, value: Any, unit: str, *_: Any) -> None:
        self.readings[name] = value

    def verdicts(self, words: dict[str, str]) -> None:
        self.words = words

    def note(self, text: str) -> None:
        self.notes.append(text)

    def keep(self, name: str, data: bytes) -> None:
        assert name == "log.txt"


def ended(race: ModuleType, log: Log, **churner: Any) -> Any:
    workload = race.Workload()
    workload._paths = list(MODULES)
    workload._loaders = [{"loaded": 5, "lost": 3, "failures": {}}] * 2
    workload._churners = [{"programs": 9, "wrong": 0, "failures": {}} | churner]
    workload._log = log
    return workload


def test_a_race_that_nobody_lost(race: ModuleType, kernel: Kernel) -> None:
    guest = Guest()
    ended(race, Log("null_blk: module loaded")).teardown(guest)
    assert guest.readings["race.loads"] == 10
    assert guest.readings["race.splats"] == 0
    assert set(guest.words.values()) == {"pass"}
    assert len(guest.words) == 4
    assert guest.notes == []


def test_a_splat_fails_the_trial_after_its_readings(race: ModuleType, kernel: Kernel) -> None:
    guest = Guest()
    with pytest.raises(race.WorkloadFailed, match="1 splats: WARNING: x"):
        ended(race, Log("fine", "WARNING: x")).teardown(guest)
    assert guest.readings["race.splats"] == 1
    assert guest.words["the kernel log shows no splat"] == "fail"


def test_wrong_results_and_failures_are_verdicts(race: ModuleType, kernel: Kernel) -> None:
    guest = Guest()
    ended(race, Log(), wrong=2, failures={"ENOMEM": 3}).teardown(guest)
    assert guest.words["every program runs as it was written"] == "fail"
    assert guest.words["every program loads"] == "fail"
    assert guest.words["every module loads"] == "pass"
    assert guest.notes == ["failed 3 times: ENOMEM"]


def test_a_log_with_gaps_is_unknown_not_clean(race: ModuleType, kernel: Kernel) -> None:
    guest, log = Guest(), Log()
    log.lost = True
    ended(race, log).teardown(guest)
    assert guest.readings["race.splats"] is None
    assert guest.words["the kernel log shows no splat"] == "fail"


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"loaders": 0}, "loaders=0: 1 or more"),
        ({"loaders": 4}, "6 modules of this kernel .*: 8 are needed for 4 loaders"),
    ],
)
def test_a_race_needs_enough_to_run_for(
    race: ModuleType, monkeypatch: pytest.MonkeyPatch, params: dict[str, int], why: str
) -> None:
    workload = race.Workload()
    monkeypatch.setattr(workload, "_that_load", lambda _: list(MODULES))
    with pytest.raises(race.WorkloadFailed, match=why):
        workload.setup(Guest(**params))


def test_a_kernel_without_modules(race: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race.os, "uname", lambda: type("U", (), {"release": "0.0-none"}))
    with pytest.raises(race.WorkloadFailed, match="this kernel has no modules"):
        race.Workload().setup(Guest())


def test_workers_begin_together_and_leave_results(race: ModuleType) -> None:
    workers = race.Workers()
    workers.add("loader-0", lambda: {"loaded": 1})
    workers.add("churner-0", lambda: {"stopped": _until(workers)})
    workers.go()
    assert workers.results("loader") == [{"loaded": 1}]
    workers.stop()
    assert workers.results("churner") == [{"stopped": True}]


def _until(workers: Any) -> bool:
    while not workers.stopped():
        pass
    return True


def test_a_worker_that_ends_badly(race: ModuleType) -> None:
    workers = race.Workers()
    workers.add("loader-0", lambda: {"never": 1 // 0})
    workers.go()
    with pytest.raises(race.WorkloadFailed, match="process loader-0 ended with wait status 256"):
        workers.results("loader")
