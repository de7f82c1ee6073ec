# SPDX-License-Identifier: GPL-2.0-only
"""The workload churn outside a guest: what its program prints, and what is made of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from harness.errors import UserError
from harness.image.compiled import build_program
from harness.paths import WORKLOADS
from harness.tests.unit.guest_modules import workload_module

PRINTED = (
    '{"loads": 5, "failed": 0, "error": "", "load": {"count": 5, "p50": 9, "p90": 10, "p99": 11,'
    ' "max": 12}, "unload": {"count": 5, "p50": 1, "p90": 2, "p99": 3, "max": 4},'
    ' "attach": {"count": 0}, "detach": {"count": 0}}\n'
)


@pytest.fixture
def churn(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return workload_module(monkeypatch, "churn", "churn")


class Guest:
    """What the workload is given, recording what it reports."""

    def __init__(self, printed: str, **params: Any) -> None:
        defaults = {
            "loads": 5,
            "threads": 2,
            "kept": 3,
            "population": 0,
            "probe": 0,
            "settle_s": 0,
        }
        self.params = {**defaults, **params}
        self.seed = 7
        self.rng = Random(7)
        self.printed = printed
        self.ran: list[list[str]] = []
        self.readings: list[tuple[Any, ...]] = []
        self.steps: list[object] = []

    @contextmanager
    def window(self, label: str) -> Iterator[None]:
        self.steps.append(label)
        yield
        self.steps.append("end")

    def keep(self, name: str, data: bytes) -> None:
        assert name == "churn.json"

    def run(self, argv: list[str]) -> str:
        self.ran.append(argv)
        return self.printed

    run_measured = run

    def wait(self, seconds: float) -> None:
        self.waited = seconds

    def emit(self, *reading: Any) -> None:
        self.readings.append(reading)


def measured(churn: ModuleType, guest: Guest) -> Guest:
    workload = churn.Workload()
    for step in (workload.setup, workload.warm, workload.measure, workload.teardown):
        step(guest)
    return guest


def test_latencies_and_what_was_never_done(churn: ModuleType) -> None:
    guest = measured(churn, Guest(PRINTED))
    assert guest.ran[-1] == ["churn", "2", "5", "3", "7"]
    by_labels = {(r[3]["kind"], r[3]["quantile"]): r for r in guest.readings if len(r) > 3}
    assert by_labels["load", "p99"][:3] == ("load.latency", 11, "ns")
    assert by_labels["attach", "p50"][1] is None
    assert by_labels["attach", "p50"][4:] == ("not_counted", "no attach at this seed")
    assert len(by_labels) == 16
    assert [r[0] for r in guest.readings[:2]] == ["load.count", "load.rate"]


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        (PRINTED.replace('"failed": 0', '"failed": 2'), "2 of 5 programs did not load"),
        ("Killed\n", "churn printed 'Killed"),
        ("{}", "churn printed"),
    ],
)
def test_what_went_wrong_is_said(churn: ModuleType, printed: str, why: str) -> None:
    with pytest.raises(churn.WorkloadFailed, match=why):
        measured(churn, Guest(printed))


def test_a_population_without_churn(churn: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[int, bytes]] = []
    closed: list[int] = []

    def load(kind: int, text: bytes) -> int:
        loaded.append((kind, text))
        return 1000 + len(loaded)

    monkeypatch.setattr(churn.synthetic.bpf, "load", load)
    monkeypatch.setattr(churn.os, "close", closed.append)
    guest = measured(churn, Guest("", loads=0, population=3))
    assert (guest.ran, guest.readings) == ([], [])
    assert closed == [1001, 1002, 1003]
    assert all(len(text) % 8 == 0 and len(text) >= 16 for _, text in loaded)
    assert {kind for kind, _ in loaded} <= set(churn.synthetic.TYPES)


def test_the_probe_loads_in_one_window_and_unloads_in_another(
    churn: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = Guest(PRINTED, probe=2)

    def load(kind: int, text: bytes) -> int:
        guest.steps.append(kind)
        return 1000 + len(guest.steps)

    monkeypatch.setattr(churn.synthetic.bpf, "load", load)
    monkeypatch.setattr(churn.os, "close", guest.steps.append)
    measured(churn, guest)
    _, first, second, _, *_ = guest.steps
    assert {first, second} <= set(churn.synthetic.TYPES)
    assert guest.steps == [
        *("probe-load", first, second, "end"),
        *("probe-unload", 1002, 1003, "end"),
    ]
    assert guest.readings[0] == ("load.probe", 2, "program")


def test_a_probe_that_does_not_load_says_which(
    churn: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(kind: int, text: bytes) -> int:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(churn.synthetic.bpf, "load", load)
    with pytest.raises(churn.WorkloadFailed, match=r"program 0 of the probe: .*allocate"):
        measured(churn, Guest(PRINTED, probe=1))


def test_sizes_follow_the_published_fleet(churn: ModuleType) -> None:
    sizes = sorted(churn.synthetic.jited_bytes(Random(seed)) for seed in range(4000))
    assert sizes[1900] < 500 <= sizes[2100]
    assert sizes[2900] < 2000 <= sizes[3100]


def test_parameters_are_checked(churn: ModuleType) -> None:
    with pytest.raises(churn.WorkloadFailed, match="threads=0"):
        measured(churn, Guest(PRINTED, threads=0))


def test_the_program_compiles_and_is_found_again() -> None:
    source = WORKLOADS / "churn/churn.c"
    first = build_program(source)
    assert first.read_bytes()[:4] == b"\x7fELF"
    before = first.stat().st_mtime_ns
    assert build_program(source).stat().st_mtime_ns == before


def test_a_program_that_does_not_compile_is_one_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.c"
    with pytest.raises(UserError, match=r"bad\.c"):
        build_program(bad)
    bad.write_text("int main(void) { return nothing; }\n")
    with pytest.raises(UserError, match=r"bad\.c does not compile: .*nothing.*undeclared"):
        build_program(bad)
