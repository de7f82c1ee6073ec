# SPDX-License-Identifier: GPL-2.0-only
"""The workload loaded outside a guest, and what the host makes of its windows and its text."""

import json
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from harness.counters import itlb
from harness.tests.unit.guest_modules import workload_module

PARAMS = {"hot_pages": 8, "rounds": 10, "pressure_percent": 0, "instances": 0, "fillers": 0,
          "placement": "spread", "warmup_s": 1, "sweep_calls": 0}  # fmt: skip


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return workload_module(monkeypatch, "loaded", "loaded")


class Guest:
    """What the workload is given, recording what it does in order."""

    def __init__(self, printed: str, **params: Any) -> None:
        self.params = {**PARAMS, **params}
        self.smp = 2
        self.printed = printed
        self.done: list[Any] = []

    def user_text(self, *what: Any) -> None:
        self.done.append(("user_text", *what))

    @contextmanager
    def window(self, label: str) -> Any:
        self.done.append(("open", label))
        yield
        self.done.append(("close", label))

    @contextmanager
    def cycle(self, number: int) -> Any:
        self.done.append(("cycle", number))
        yield

    def progress(self, text: str) -> None:
        pass

    def run(self, argv: list[str]) -> str:
        self.done.append(("run", *argv))
        return self.printed

    run_measured = run

    def emit(self, *reading: Any) -> None:
        self.done.append(("emit", *reading))

    def spawn(self, argv: list[str], output: Path) -> None:
        self.done.append(("spawn", *argv))

    def stop_children(self) -> None:
        self.done.append(("stop",))


def ran(loaded: ModuleType, guest: Guest) -> list[Any]:
    workload = loaded.Workload()
    for step in (workload.setup, workload.warm, workload.measure, workload.teardown):
        step(guest)
    return guest.done


def test_the_same_work_alone_and_beside(loaded: ModuleType) -> None:
    done = ran(loaded, Guest("rounds 10 nanoseconds 1000\n"))
    walk = ("run", "corunner", "walk", "8", "10", "1")
    assert done[0] == ("user_text", "corunner", 0x500000000000, 0x500000000000 + 4096 * 4096)
    assert done.index(("open", "alone")) < done.index(walk) < done.index(("close", "alone"))
    assert done.count(walk) == 2
    rates = [x[1:] for x in done if x[0] == "emit"]
    assert [(r[0], r[1], r[3]["window"]) for r in rates] == [
        ("corunner.rate", 80_000_000, "alone"),
        ("corunner.rate", 80_000_000, "measured"),
    ]
    assert not any(x[0] == "spawn" for x in done)


def test_a_cycle_for_each_size_of_text_with_equally_many_calls(loaded: ModuleType) -> None:
    done = ran(loaded, Guest("rounds 10 nanoseconds 1000\n", sweep_calls=8192))
    assert [x[1] for x in done if x[0] == "cycle"] == list(range(7))
    sizes = [(x[2], x[4]) for x in done if x[:2] == ("emit", "corunner.hot_pages")]
    assert sizes[0] == (64, {"cycle": "0"})
    assert sizes[-1] == (4096, {"cycle": "6"})
    walks = [x[3:5] for x in done if x[0] == "run" and x[3] != "8"]
    assert [int(pages) * int(rounds) for pages, rounds in walks] == [8192] * 7
    opened = done.index(("cycle", 0))
    assert done.index(("close", "alone")) < opened, "everything runs"


def test_memory_pressure_is_a_share(loaded: ModuleType) -> None:
    assert loaded.available_mib("MemFree: 1 kB\nMemAvailable:    2048 kB\n") == 2
    with pytest.raises(loaded.WorkloadFailed, match="no MemAvailable"):
        loaded.available_mib("MemTotal: 1 kB\n")


@pytest.mark.parametrize("text", ["", "rounds 1 nanoseconds 0", "corunner: mmap: Cannot"])
def test_what_the_corunner_did_not_say(loaded: ModuleType, text: str) -> None:
    with pytest.raises(loaded.WorkloadFailed, match="the co-runner printed"):
        ran(loaded, Guest(text))


@pytest.mark.parametrize(
    ("name", "value"),
    [("hot_pages", 0), ("rounds", 0), ("pressure_percent", 95), ("sweep_calls", -1)],
)
def test_parameters_are_checked(loaded: ModuleType, name: str, value: int) -> None:
    with pytest.raises(loaded.WorkloadFailed, match=name):
        ran(loaded, Guest("", **{name: value}))


def test_user_text_is_a_part_of_user() -> None:
    def site(address: str, user: bool, stlb: int, walks: int) -> dict[str, Any]:
        return {"address": address, "user": user, "global": not user, "page": "4k",
                "stlb_hits": stlb, "walks": walks}  # fmt: skip

    sites = [
        site("0x4ff000", True, 1, 1), site("0x500000", True, 2, 3), site("0x501000", True, 4, 5),
        site("0x502000", True, 100, 100), site("0xffffffff81000000", False, 7, 7),
    ]  # fmt: skip
    window = msgspec.json.decode(
        json.dumps({"id": 1, "vcpus": [], "watch": [], "sites": sites}), type=itlb.Window
    )
    found = itlb.user_text(window, "measured", "corunner", 0x500000, 0x502000)
    by_name = {reading.name: reading.value for reading in found}
    assert by_name["itlb.stlb_hit"] == 6
    assert by_name["itlb.walk_completed_4k"] == by_name["itlb.walks"] == 8
    assert {json.dumps(dict(r.labels)) for r in found} == {
        '{"window": "measured", "origin": "corunner"}'
    }
