# SPDX-License-Identifier: GPL-2.0-only
"""The workload trig-kprobe outside a guest: command lines, filters, bench's own output."""

import gzip
import struct
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from harness.guest.decoded import decode
from harness.tests.golden import DATA
from harness.tests.unit.guest_modules import workload_module

DEFAULTS = {"warmup_s": 1, "duration_s": 30, "placement": "reference"}


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The workload's file, found as it is in the guest."""
    return workload_module(monkeypatch, "trig-kprobe", "trig_kprobe")


@pytest.fixture
def benches(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The instances' own module, shared by workloads."""
    return workload_module(monkeypatch, "trig-kprobe", "agent.benches")


def captured() -> dict[str, str]:
    """What each instance of bench printed in a real trial."""
    output = decode(gzip.decompress((DATA / "trial" / "channel.out.gz").read_bytes()))
    return {
        name: data.decode() for name, data in output.files.items() if name.startswith("workload/")
    }


@pytest.mark.parametrize(
    ("placement", "smp", "instance", "middle"),
    [
        ("reference", 1, 0, []),
        ("reference", 2, 1, ["-a"]),
        ("spread", 2, 3, ["--prod-affinity=1", "--cons-affinity=1"]),
        ("none", 2, 0, []),
    ],
)
def test_command_line(
    benches: ModuleType, placement: str, smp: int, instance: int, middle: list[str]
) -> None:
    argv = benches.bench_argv({**DEFAULTS, "placement": placement}, smp, instance)
    assert argv == ["bench", "-w1", "-d30", *middle, "trig-kprobe"]


def test_intervals_of_a_real_trial(benches: ModuleType) -> None:
    texts = captured()
    assert texts
    for text in texts.values():
        found = benches.iterations(text)
        assert len(found) == sum(line.startswith("Iter ") for line in text.splitlines())
        assert all(value >= 0 for value in found)
    assert any(benches.iterations(text) for text in texts.values())


def test_an_interval_cut_short_is_no_interval(benches: ModuleType) -> None:
    line = "Iter   0 ( 21.190us): hits    0.071M/s (  0.071M/prod), drops    0.000M/s"
    assert benches.iterations(line) == [0.071]
    assert benches.iterations(line[: line.index("M/s")]) == []
    assert benches.iterations("Setting up benchmark 'trig-kprobe'...\n") == []


def test_a_filter_is_as_long_as_asked_and_accepts(benches: ModuleType) -> None:
    code = benches.filter_code(5)
    instructions = list(struct.iter_unpack("HBBI", code))
    assert len(instructions) == 5
    assert instructions[-1] == (0x06, 0, 0, 0xFFFF)  # BPF_RET | BPF_K
    assert set(instructions[:-1]) == {(0x04, 0, 0, 1)}  # BPF_ALU | BPF_ADD | BPF_K
    assert len(benches.filter_code(1)) == 8


class FakeContext:
    """Keeps what a workload says."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {**DEFAULTS, "window_s": 0.0}
        self.smp = 2
        self.said: list[tuple[Any, ...]] = []
        self.kept: dict[str, bytes] = {}

    def emit(self, *fields: Any) -> None:
        self.said.append(fields)

    def keep(self, name: str, data: bytes) -> None:
        self.kept[name] = data

    def wait(self, seconds: float) -> None:
        pass

    def stop_children(self) -> None:
        pass


class FakeTerminal:
    """A running instance whose text is given."""

    def __init__(self, text: str, status: int | None = None) -> None:
        self.said = text
        self.process = SimpleNamespace(poll=lambda: status)

    def text(self) -> str:
        return self.said


def in_kernel(monkeypatch: pytest.MonkeyPatch, benches: ModuleType, count: int) -> None:
    """Let the kernel hold ``count`` programs of bench, and one of somebody else."""
    names = [f"bench_trigger_{n % 7}" for n in range(count)] + ["sized"]
    monkeypatch.setattr(benches.bpf, "programs", lambda: [{"name": name} for name in names])


def test_hits_are_the_mean_of_the_window_or_unknown(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_kernel(monkeypatch, sys.modules["agent.benches"], 14)
    line = "Iter   {} ( 21.190us): hits    {}M/s (  0.071M/prod), drops    0.000M/s\n"
    workload, ctx = module.Workload(), FakeContext()
    busy, silent = FakeTerminal(line.format(0, "9.000")), FakeTerminal("")
    workload._benches.instances = [busy, silent]
    workload.measure(ctx)
    busy.said += line.format(1, "1.000") + line.format(2, "2.000")
    workload.teardown(ctx)
    *programs, first, second = ctx.said
    assert [fields[:2] for fields in programs] == [
        ("bench.programs_loaded", 7),
        ("bench.programs", 7),
    ]
    assert first[:4] == ("bench.hits", 1.5, "10^6/s", {"instance": "0"})
    assert second[:5] == ("bench.hits", None, "10^6/s", {"instance": "1"}, "not_counted")
    assert set(ctx.kept) == {"bench-0.txt", "bench-1.txt"}


def test_an_instance_that_ended_fails_the_trial_with_its_words(module: ModuleType) -> None:
    workload = module.Workload()
    workload._benches.instances = [FakeTerminal("failed to attach\n", 1)]
    with pytest.raises(Exception, match="instance 0 ended with 1: failed to attach"):
        workload.warm(FakeContext())


LINE = (
    "trigger_bench: 5 of 7 programs loaded, without: "
    "bench_trigger_fentry_sleep (Invalid argument), bench_trigger_fmodret (Invalid argument)\n"
)
LISTED = LINE.replace("Invalid argument", "listed")


class Starting(FakeContext):
    """Starts instances that print ``texts``, one after the other."""

    def __init__(self, *texts: str) -> None:
        super().__init__()
        self.params |= {"instances": len(texts), "fillers": 0}
        self.rng = SimpleNamespace(randint=lambda low, high: low)
        self.texts = list(texts)
        self.environments: list[dict[str, str]] = []
        self.notes: list[str] = []

    def spawn_on_terminal(self, argv: list[str], environment: dict[str, str]) -> FakeTerminal:
        self.environments.append(environment)
        terminal = FakeTerminal(self.texts.pop(0) + "Benchmark 'trig-kprobe' started.\n")
        terminal.process.send_signal = lambda number: None
        return terminal

    def note(self, text: str) -> None:
        self.notes.append(text)


def started(
    benches: ModuleType, monkeypatch: pytest.MonkeyPatch, *texts: str
) -> tuple[Any, Starting]:
    monkeypatch.setattr(benches.requirements, "require", lambda *names: None)
    monkeypatch.setattr(benches.requirements, "missing", lambda names: ["error_injection"])
    instances, ctx = benches.Benches(), Starting(*texts)
    instances.start(ctx)
    return instances, ctx


def test_a_kernel_that_loads_all_is_told_nothing(
    benches: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ctx = started(benches, monkeypatch, "", "")
    assert ctx.environments == [{}, {}]
    assert ctx.notes == []


def test_what_the_first_instance_left_out_is_passed_on_and_noted_once(
    benches: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    instances, ctx = started(benches, monkeypatch, LINE, LISTED, LISTED)
    names = "bench_trigger_fentry_sleep,bench_trigger_fmodret"
    assert ctx.environments == [{}, *[{"BENCH_TRIGGER_WITHOUT": names}] * 2]
    assert ctx.notes == [
        "bench loads 5 of 7 programs on this kernel, without bench_trigger_fentry_sleep (Invalid "
        "argument), bench_trigger_fmodret (Invalid argument); the kernel lacks "
        "CONFIG_FUNCTION_ERROR_INJECTION=y"
    ]
    in_kernel(monkeypatch, benches, 15)
    instances.report_programs(ctx)
    assert [fields[:2] for fields in ctx.said] == [
        ("bench.programs_loaded", 5),
        ("bench.programs", 7),
    ]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("", LINE), "instance 0 of bench left out no program and instance 1 bench_trigger_fentry"),
        ((LINE, ""), "and instance 1 no program"),
        ((LINE.replace("5 of", "6 of"),), "bench printed 'trigger_bench: 6 of 7"),
        ((LINE.replace("5 of 7", "0 of 2"),), "bench printed 'trigger_bench: 0 of 2"),
    ],
)
def test_instances_that_do_not_agree_fail_the_trial(
    benches: ModuleType, monkeypatch: pytest.MonkeyPatch, texts: tuple[str, ...], message: str
) -> None:
    with pytest.raises(benches.WorkloadFailed, match=message):
        started(benches, monkeypatch, *texts)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (14, "said that it loaded 5 of 7 programs, and the kernel holds 7 of each"),
        (11, "2 instances of bench hold 11 programs"),
        (0, "2 instances of bench hold 0 programs"),
    ],
)
def test_the_kernel_must_hold_what_bench_said(
    benches: ModuleType, monkeypatch: pytest.MonkeyPatch, count: int, message: str
) -> None:
    instances, ctx = started(benches, monkeypatch, LINE, LISTED)
    in_kernel(monkeypatch, benches, count)
    with pytest.raises(benches.WorkloadFailed, match=message):
        instances.report_programs(ctx)
