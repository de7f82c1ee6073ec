# SPDX-License-Identifier: GPL-2.0-only
"""The workloads modules and ageing outside a guest: what they choose, and what they refuse."""

import subprocess
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace

import pytest

from harness.image.programs import build_program
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
