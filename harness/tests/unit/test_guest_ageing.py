# SPDX-License-Identifier: GPL-2.0-only
"""The workloads modules and ageing outside a guest: what they choose, and what they refuse."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace

import pytest

from harness.image.compiled import build_program
from harness.paths import WORKLOADS
from harness.tests.unit.guest_modules import workload_module

NAMES = ["aead", "test_bpf", "tcrypt", "bonding", "test_vmalloc", "vxlan", "aead"]


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return workload_module(monkeypatch, "modules", "modules")


@pytest.fixture
def ageing(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return workload_module(monkeypatch, "ageing", "ageing")


def test_modules_are_chosen_by_the_seed(modules: ModuleType) -> None:
    everything = modules.chosen(NAMES, "test_*,tcrypt", 0, Random(1))
    assert sorted(everything) == ["aead", "bonding", "vxlan"]
    orders = {tuple(modules.chosen(NAMES, "test_*,tcrypt", 0, Random(s))) for s in range(20)}
    assert len(orders) > 1
    assert len(modules.chosen(NAMES, "", 2, Random(1))) == 2
    assert modules.loaded("b 1 0 - Live 0x1\na 1 0 - Live 0x2\n") == ["b", "a"]


def test_modules_in_use_are_unloaded_after_their_users(
    modules: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    present = ["base", "user", "stuck", "foreign"]  # base is used by user
    listing = tmp_path / "modules"

    def write() -> None:
        listing.write_text("".join(f"{n} 1 0 - Live 0x1\n" for n in present))

    def modprobe(*words: str) -> str:
        name = words[-1]
        if name != "stuck" and not (name == "base" and "user" in present):
            present.remove(name)
            write()
        return ""

    write()
    monkeypatch.setattr(modules, "LOADED", listing)
    monkeypatch.setattr(modules, "modprobe", modprobe)
    assert modules.unload({"base", "user", "stuck"}) == ["stuck"]
    assert present == ["stuck", "foreign"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"cycles": 0}, "cycles=0"),
        ({"cycles": 30}, "1 to 29"),
        ({"kept": 0}, "kept is 1 or more"),
        ({"pressure_percent": 95}, "0 to 90"),
    ],
)
def test_parameters_are_checked(ageing: ModuleType, wrong: dict[str, int], why: str) -> None:
    params = {"cycles": 1, "kept": 1, "pressure_percent": 0, **wrong}
    with pytest.raises(ageing.WorkloadFailed, match=why):
        ageing.Workload().setup(SimpleNamespace(params=params))


def test_available_memory(ageing: ModuleType) -> None:
    assert ageing.available_mib("MemTotal: 9 kB\nMemAvailable:   2048 kB\n") == 2
    with pytest.raises(ageing.WorkloadFailed, match="MemAvailable"):
        ageing.available_mib("MemTotal: 9 kB\n")


def test_the_co_runner_counts_its_calls(ageing: ModuleType) -> None:
    age = build_program(WORKLOADS / "ageing/age.c")
    done = subprocess.run([age, "walk", "64", "3", "1"], capture_output=True, text=True, check=True)
    walked = ageing.WALKED.match(done.stdout.strip())
    assert walked is not None
    assert int(walked[1]) == 192
    assert subprocess.run([age, "run"], capture_output=True, check=False).returncode == 2


class Guest:
    """What the workload is given, with real processes on this machine; records what it does."""

    def __init__(self, params: dict[str, int | float]) -> None:
        self.params, self.rng = params, Random(3)
        self.did: list[str] = []
        self.children: list[subprocess.Popen[bytes]] = []
        self.rates: list[str] = []

    def note(self, text: str) -> None:
        self.did.append(text)

    progress = note

    @contextmanager
    def cycle(self, number: int) -> Iterator[None]:
        self.did.append(f"cycle {number}")
        yield

    def emit(self, name: str, value: float, unit: str, labels: dict[str, str]) -> None:
        assert (name, unit, value > 0) == ("corunner.rate", "call/s", True)
        self.rates.append(labels["cycle"])

    def run(self, argv: list[str]) -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    run_measured = run

    def spawn(self, argv: list[str], output: Path) -> "subprocess.Popen[bytes]":
        with output.open("wb") as file:
            self.children.append(subprocess.Popen(argv, stdout=file))
        return self.children[-1]


def test_ageing_from_end_to_end(
    ageing: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All but what needs a kernel of one's own: loading programs and modules is made up."""
    (tmp_path / "age").symlink_to(build_program(WORKLOADS / "ageing/age.c"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(ageing, "OUTPUT", tmp_path)
    monkeypatch.setattr(ageing, "available_mib", lambda _: 16)
    monkeypatch.setattr(ageing, "module_names", list)
    loaded: list[int] = []

    def load(*_: object) -> int:
        loaded.append(os.open(os.devnull, os.O_RDONLY))
        return loaded[-1]

    monkeypatch.setattr(ageing.synthetic.bpf, "load", load)
    before = {link.name for link in Path("/proc/self/fd").iterdir()}
    sizes = {"loads": 40, "kept": 8, "population": 12, "hot_pages": 16, "rounds": 2}
    guest = Guest({"cycles": 2, "modules": 3, "pressure_percent": 50, "settle_s": 0.0, **sizes})
    workload = ageing.Workload()
    for step in (workload.setup, workload.warm, workload.measure, workload.teardown):
        step(guest)
    assert [d for d in guest.did if d in ("cycle 0", "cycle 1", "cycle 2")] == [
        *("cycle 0", "cycle 1", "cycle 2")
    ]
    assert guest.rates == ["0", "1", "2"]
    assert len(loaded) >= 12 + 2 * 40
    assert [child.poll() for child in guest.children] == [-9, -9]
    assert {link.name for link in Path("/proc/self/fd").iterdir()} == before
