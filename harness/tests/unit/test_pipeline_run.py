# SPDX-License-Identifier: GPL-2.0-only
"""Whole runs on captured output: success, every failure, interruption, resuming, falling back."""

import errno
import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.analysis.history import inputs
from harness.config import definitions
from harness.counters import events, host_perf
from harness.doctor import RecordedFacts
from harness.doctor.pmu import WATCHDOG
from harness.errors import DataError, PrerequisiteError, UserError
from harness.guest.agent import frames
from harness.model.reading import Source, Status
from harness.model.records import TrialRecord, TrialStatus
from harness.model.trial_settings import Counters, Mode
from harness.pipeline import Progress, RunOutcome, RunRequest, run, views
from harness.pipeline.replaying import ReplayRequest, replay
from harness.pipeline.run import perf_sets
from harness.store import Run, load_run
from harness.targets import trial_files
from harness.targets.recorded import RecordedTarget
from harness.targets.target import Ended, Payload
from harness.tests.unit import synthetic_runs as made
from harness.tests.unit.recorded_machine import (
    WINDOWS,
    Altered,
    Change,
    interrupted,
    machine,
    started,
    with_console,
)
from harness.tests.unit.test_guest_wire import READING, channel


def resumed(captured: Path, first: RunOutcome, **request: Any) -> RunOutcome:
    """What --resume makes of ``first``: all else is in its manifest."""
    asked = RunRequest(resume=first.path.name, out=first.path.parent, jobs=1, **request)
    return run(asked, Progress(quiet=True), machine(RecordedTarget(folder=captured)))


def by_seed(outcome: RunOutcome) -> dict[int, TrialRecord]:
    return {record.spec.seed: record for record in load_run(outcome.path).records}


def test_a_run_that_ends_well(captured: Path, tmp_path: Path) -> None:
    outcome = started(captured, tmp_path)
    assert (outcome.done, outcome.failed, outcome.interrupted) == (3, 0, False)
    for seed, record in by_seed(outcome).items():
        assert record.status is TrialStatus.OK, record.failure
        assert {r.source for r in record.readings} == {
            Source.MODEL, Source.KERNEL, Source.WORKLOAD, Source.HOST
        }  # fmt: skip
        raw = outcome.path / "raw" / record.trial
        assert trial_files.read(raw).channel == trial_files.read(captured).channel
        assert record.spec.seed == seed
    assert load_run(outcome.path).manifest.qemu_version == "QEMU of a test"


def test_the_question_of_a_users_own_workload(
    captured: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run keeps it: the folder of the workload may be anywhere, and gone by then."""
    folder = tmp_path / "my-load"
    shutil.copytree(definitions.workload_folders()["trig-kprobe"], folder)
    text = (folder / "workload.toml").read_text().replace("trig-kprobe", "my-load")
    question = re.compile('^question = ".*"$', re.M)
    (folder / "workload.toml").write_text(question.sub('question = "Is it mine?"', text))
    outcome = started(captured, tmp_path / "out", suite=None, workload=str(folder), seeds=(1,))
    shutil.rmtree(folder)
    views.show([str(outcome.path)])
    assert "Is it mine?" in capsys.readouterr().out


def test_a_replay_that_fails_leaves_no_run(captured: Path, tmp_path: Path) -> None:
    outcome = started(captured, tmp_path)
    for trial in (outcome.path / "raw").iterdir():
        (trial / trial_files.TRACE).write_bytes(b"junk")
    request = ReplayRequest(run=outcome.path.name, profiles=("zen3",), out=tmp_path)
    with pytest.raises(DataError, match="this is not a trace"):
        replay(request, Progress(quiet=True))
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == [outcome.path]


def test_a_saved_run_is_a_target(captured: Path, tmp_path: Path) -> None:
    """What was recorded gives the same readings again, from its folder ``raw``."""
    first = started(captured, tmp_path / "first")
    again = started(first.path / "raw", tmp_path / "again")
    readings = [
        [[r for r in record.readings if r.source is not Source.HOST] for record in found.values()]
        for found in (by_seed(first), by_seed(again))
    ]
    assert readings[0] == readings[1]
    assert again.failed == 0


def sends(*records: tuple[str, Any], **more: Any) -> Change:
    return lambda ended: replace(ended, channel=channel(WINDOWS, *records, **more))


def reads(files: dict[str, bytes]) -> Change:
    """A guest that sends these files beside its window."""
    lines: list[str] = []
    for name, data in files.items():
        lines += frames.encode(len(lines), "file", name, data)
    rest = channel(WINDOWS).decode().splitlines()
    for at, line in enumerate(rest, len(lines)):
        lines.append(line.replace(f"EMB1 {at - len(files)} ", f"EMB1 {at} "))
    return lambda ended: replace(ended, channel="".join(f"{line}\n" for line in lines).encode())


NESTED = b'{"schema": 2, "profile": {"a": ' + b"[" * 100_000
FAILURES: list[tuple[Change, str, str]] = [
    (with_console("Kernel panic - not syncing: Fatal exception"), "panic", "Fatal exception"),
    (with_console("BUG: kernel NULL pointer dereference"), "oops", "NULL pointer"),
    (lambda e: replace(e, console=b"", channel=b""), "silent", "no line on ttyS0"),
    (
        lambda e: replace(e, returncode=None, stopped="timed out after 900 s of wall time; killed"),
        "hang",
        "timed out after 900 s",
    ),
    (lambda e: replace(e, channel=b""), "lost", "never said it was done"),
    (lambda e: replace(e, channel=e.channel[:-40]), "protocol", "guest output ends inside line"),
    (lambda e: replace(e, channel=b"x" * 99 + b"\n"), "protocol", "line 1 is not a frame"),
    (lambda e: replace(e, report=b""), "self_check", "the iTLB model wrote no report"),
    (lambda e: replace(e, report=b"{}"), "self_check", "the iTLB model's report: "),
    (lambda e: replace(e, report=NESTED), "self_check", "RecursionError: "),
    (sends(("windows", {"2": {"label": "w", "ns": 1}})), "self_check", "saw no window 2 (w)"),
    (sends(("reading", {**READING, "value": "1"})), "protocol", "'1' is not a number"),
    (sends(("reading", READING), ("reading", READING)), "protocol", "is given twice"),
    (sends(("surprise", 1)), "protocol", "unknown record 'surprise'"),
    (
        sends(("user_text", {"origin": "user", "start": 0, "end": 9})),
        "self_check",
        "user is an origin of all text",
    ),
    (
        sends(done={"status": "failed", "kind": "workload", "reason": "no load"}),
        "workload",
        "no load",
    ),
    (sends(done={"status": "failed"}), "agent", "no reason given"),
]


@pytest.fixture(scope="module")
def mixed(captured: Path, tmp_path_factory: pytest.TempPathFactory) -> RunOutcome:
    """A run of which all trials fail but the first and the last."""
    changes = {seed: change for seed, (change, _, _) in enumerate(FAILURES, 2)}
    out = tmp_path_factory.mktemp("results")
    return started(captured, out, changes, seeds=tuple(range(1, len(FAILURES) + 3)))


@pytest.mark.parametrize(
    ("seed", "kind", "message"),
    [(seed, kind, message) for seed, (_, kind, message) in enumerate(FAILURES, 2)],
    ids=[f"{kind}: {message}" for _, kind, message in FAILURES],
)
def test_a_trial_that_fails_says_why(mixed: RunOutcome, seed: int, kind: str, message: str) -> None:
    record = by_seed(mixed)[seed]
    assert record.status is TrialStatus.FAILED
    assert record.failure is not None
    assert record.failure.kind == kind
    assert message in record.failure.message
    assert "\n" not in record.failure.message
    assert record.readings == ()
    assert (mixed.path / "raw" / record.trial / trial_files.CONSOLE).is_file()


def test_the_other_trials_go_on(mixed: RunOutcome) -> None:
    assert (mixed.done, mixed.failed) == (len(FAILURES) + 2, len(FAILURES))
    statuses = [record.status for record in by_seed(mixed).values()]
    assert statuses == ["ok", *["failed"] * len(FAILURES), "ok"]


def test_files_that_are_garbage_are_unknown_facts_not_a_lost_run(
    captured: Path, tmp_path: Path
) -> None:
    garbage = reads({"open/bpf_progs.json": b"[", "baseline/proc/vmstat": b"\xff\x00 x"})
    outcome = started(captured, tmp_path, {1: garbage}, seeds=(1,))
    (record,) = by_seed(outcome).values()
    assert record.status is TrialStatus.OK, record.failure
    unknown = {(r.name, r.labels.get("at")): r for r in record.readings if r.value is None}
    assert "bpf_progs.json: " in unknown["bpf.text.programs", "open"].reason
    assert "is not `name value`" in unknown["direct_map.splits_2m", "baseline"].reason


def test_a_record_that_is_refused_fails_its_trial_alone(
    captured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = Run.append

    def refuse(self: Run, record: TrialRecord) -> None:
        if record.spec.seed == 2 and record.status is TrialStatus.OK:
            raise DataError("record: readings[0] \ud800 twice")
        append(self, record)

    monkeypatch.setattr(Run, "append", refuse)
    outcome = started(captured, tmp_path)
    assert (outcome.done, outcome.failed) == (3, 1)
    failure = by_seed(outcome)[2].failure
    assert failure is not None
    assert (failure.kind, failure.message) == ("record", r"record: readings[0] \ud800 twice")


def test_interruption_keeps_what_ended_and_resuming_makes_the_rest(
    captured: Path, tmp_path: Path
) -> None:
    first = started(captured, tmp_path, {2: interrupted})
    assert (first.done, first.interrupted) == (1, True)
    assert list(by_seed(first)) == [1]
    again = resumed(captured, first)
    assert (again.path, again.done, again.interrupted) == (first.path, 2, False)
    assert list(by_seed(again)) == [1, 2, 3]
    with pytest.raises(UserError, match=r"--seeds 1,2: run .* was made with 1,2,3"):
        resumed(captured, first, seeds=(1, 2))


def test_a_complete_run_is_resumed_by_any_program(captured: Path, tmp_path: Path) -> None:
    """Nothing is built or compared for it: nothing is left that could differ."""
    first = started(captured, tmp_path)

    def nothing(*_: object, **__: object) -> Any:
        raise AssertionError("something is made for a run that is complete")

    unable = replace(machine(RecordedTarget(folder=captured)), prepare=nothing)
    asked = RunRequest(resume=first.path.name, out=first.path.parent, jobs=1)
    again = run(asked, Progress(quiet=True), unable)
    assert (again.path, again.done, again.interrupted) == (first.path, 0, False)


def test_a_failed_trial_is_made_again_when_a_run_is_resumed(captured: Path, tmp_path: Path) -> None:
    first = started(captured, tmp_path, {2: lambda e: replace(e, channel=b"")})
    again = resumed(captured, first)
    assert (again.done, again.failed) == (1, 0)
    assert by_seed(again)[2].status is TrialStatus.OK


def test_a_full_disk_ends_the_run_and_keeps_what_was_measured(
    captured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = trial_files.keep

    def full(ended: Ended, folder: Path) -> None:
        if "-s2" in folder.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        keep(ended, folder)

    monkeypatch.setattr(trial_files, "keep", full)
    with pytest.raises(PrerequisiteError, match="the disk is full"):
        started(captured, tmp_path)
    (folder,) = tmp_path.iterdir()
    assert [record.spec.seed for record in load_run(folder).records] == [1]


def pmu(counted: int | None) -> Change:
    """A guest in which pmu-check found that."""
    sent = []
    for event in ("instructions", "branches"):
        found = {**READING, "name": f"pmu.{event}", "value": counted}
        if counted is None:
            found |= {"status": "not_supported", "reason": "perf: <not supported>"}
        expected = {**READING, "name": f"pmu.{event}_expected", "value": 1000}
        sent += [("reading", expected), ("reading", found)]
    return sends(*sent)


@dataclass(frozen=True)
class WithPmu:
    """The captured trials, and a guest that checks its PMU."""

    recorded: RecordedTarget
    check: Change

    def run(self, payload: Payload) -> Ended:
        ended = self.recorded.run(payload)
        return self.check(ended) if payload.spec.workload == "pmu-check" else ended


@pytest.mark.parametrize(
    ("check", "counters", "mode", "reason"),
    [
        (pmu(1000), Counters.PERF, Mode.KVM, "counted 1000 of 1000 instructions"),
        (pmu(10), Counters.MODEL, Mode.EXACT, "counted 10 of 1000 instructions"),
        (pmu(None), Counters.MODEL, Mode.EXACT, "the guest has no PMU: perf: <not supported>"),
        (lambda e: replace(e, channel=b""), Counters.MODEL, Mode.EXACT, "the PMU check failed"),
    ],
)
def test_auto_falls_back_where_the_pmu_does_not_count(
    captured: Path, tmp_path: Path, check: Change, counters: Counters, mode: Mode, reason: str
) -> None:
    request = RunRequest(
        suite="smoke", kernels="upstream", settings={"counters": "auto"}, out=tmp_path
    )
    target = WithPmu(RecordedTarget(folder=captured), check)
    # A guest that never ended its check does not run under KVM: no host can count it there.
    host = "check failed" in reason
    outcome = run(request, Progress(quiet=True), machine(target, kvm=True, host=host))
    loaded = load_run(outcome.path)
    assert outcome.failed == 0, loaded.records[0].failure
    (record,) = loaded.records
    assert (record.spec.counters, record.spec.mode) == (counters, mode)
    assert reason in loaded.manifest.counters_reason
    # Where the hardware measures, the manifest says how it is set.
    assert ("noise.governor" in loaded.manifest.host) == (mode is Mode.KVM)


def counted_on_the_host(ended: Ended) -> Ended:
    """As QEMU's target gives it under KVM, where perf on the host was asked for."""
    line = '{"interval" : %.1f, "counter-value" : "%d", "unit" : "", "event" : "%s:G", %s}'
    timing = '"event-runtime" : 100000000, "pcnt-running" : 100.00'
    rows = [
        line % (tenth / 10, 100, event.name, timing)
        for tenth in range(1, 100)
        for event in events.EVENTS
    ]
    return replace(ended, host_counts="\n".join(rows).encode(), opened_s=2.0)


def test_auto_counts_on_the_host_where_the_guest_has_no_pmu(
    captured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "of_host", lambda: events.EVENTS)
    monkeypatch.setattr(host_perf, "LATE_S", 0.1)  # the captured window is half a second
    seen: list[Payload] = []
    recorded = WithPmu(RecordedTarget(folder=captured), pmu(None))

    class OnHost:
        def run(self, payload: Payload) -> Ended:
            seen.append(payload)
            return counted_on_the_host(recorded.run(payload))

    request = RunRequest(
        suite="smoke", kernels="upstream", settings={"counters": "auto"}, out=tmp_path
    )
    outcome = run(request, Progress(quiet=True), machine(OnHost(), kvm=True, host=True))
    loaded = load_run(outcome.path)
    (record,) = loaded.records
    assert record.status is TrialStatus.OK, record.failure
    assert (record.spec.counters, record.spec.mode) == (Counters.HOST, Mode.KVM)
    assert "perf on the host, because the guest has no PMU" in loaded.manifest.counters_reason
    payload = seen[-1]
    assert payload.host_events == tuple(event.name for event in events.EVENTS)
    assert json.loads(payload.document)["perf_events"] == []
    assert payload.model is None
    (seconds,) = (r.value for r in record.readings if r.name == "window.seconds")
    (walks,) = (
        r
        for r in record.readings
        if (r.name, r.source) == (events.WALK_4K, Source.PERF) and r.labels["window"] == "measured"
    )
    assert walks.status is Status.SCALED
    assert walks.value == pytest.approx(1000 * (seconds or 0))
    kept = trial_files.read(outcome.path / "raw" / record.trial)
    assert (kept.opened_s, kept.host_counts is not None) == (2.0, True)


def test_a_baseline_that_is_no_kernel_of_the_run(captured: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--baseline 'execmem' is not a kernel of this run"):
        started(captured, tmp_path, baseline="execmem")
    outcome = started(captured, tmp_path, baseline="upstream", seeds=(1,))
    assert load_run(outcome.path).manifest.baseline == "upstream"


def test_the_payload_has_all_that_the_trial_needs(captured: Path, tmp_path: Path) -> None:
    target = Altered(RecordedTarget(folder=captured), {}, [])
    request = RunRequest(
        suite="smoke", kernels="upstream", settings={"counters": "both"}, trace=True, out=tmp_path
    )
    run(request, Progress(quiet=True), machine(target))
    (payload,) = target.seen
    document = json.loads(payload.document)
    assert (document["module"], document["pti"], document["seed"]) == ("trig_kprobe.py", "on", 1)
    assert "native_flush_tlb_multi" in document["calls"]
    assert document["perf_events"]
    assert payload.model is not None
    assert (payload.model.trace, payload.model.profile.name) == (True, "skylake-sp.profile")
    assert [layer.name for layer in payload.layers] == ["base", "agent"]


@pytest.mark.parametrize("fails", [False, True], ids=["good", "failing"])
def test_a_trial_is_run_again_for_events_that_do_not_fit(
    captured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """One record; what a further pass did not count is unknown, and the rest stays."""
    monkeypatch.setattr(events, "of_host", lambda: events.EVENTS)
    monkeypatch.setattr(events, "host_counters", lambda: 3)
    seen: list[Payload] = []

    class Passes:
        def run(self, payload: Payload) -> Ended:
            seen.append(payload)
            ended = RecordedTarget(folder=captured).run(payload)
            return replace(ended, channel=b"") if fails and len(seen) > 1 else ended

    request = RunRequest(
        suite="smoke", kernels="upstream", settings={"counters": "both"}, out=tmp_path
    )
    outcome = run(request, Progress(quiet=True), machine(Passes()))
    (record,) = load_run(outcome.path).records
    asked = [json.loads(payload.document)["perf_events"] for payload in seen]
    assert asked == [["iTLB-load-misses", "r0285", "context-switches"], ["r0485", "r2085"]]
    assert record.status is TrialStatus.OK, record.failure
    assert (outcome.path / "raw" / record.trial / "pass-2" / trial_files.END).is_file()
    counted = [(r.name, r.status) for r in record.readings if r.source is Source.PERF]
    # The captured guest ran no perf: nothing of it is a number, and each event is told once.
    status = Status.FAILED
    assert dict(counted) == {event.reading: status for event in events.EVENTS}
    assert len(counted) == len(events.EVENTS)
    again = [r for r in record.readings if r.name == events.WALK_2M and r.source is Source.PERF]
    assert ("further pass failed" in again[0].reason) is fails
    assert any("counted when the trial was run again" in note for note in record.notes)


@pytest.mark.parametrize(
    ("counters", "mode", "sets"),
    [
        (Counters.NONE, Mode.LOCAL, 0),
        (Counters.PERF, Mode.KVM, 1),  # guests are booted without it
        (Counters.PERF, Mode.LOCAL, 2),
        (Counters.HOST, Mode.KVM, 2),
    ],
)
def test_the_watchdog_takes_a_counter_where_perf_runs_beside_it(
    monkeypatch: pytest.MonkeyPatch, counters: Counters, mode: Mode, sets: int
) -> None:
    monkeypatch.setattr(events, "of_host", lambda: events.EVENTS)
    monkeypatch.setattr(events, "host_counters", lambda: 4)
    spec = replace(made.spec(), counters=counters, mode=mode)
    facts = RecordedFacts(files={WATCHDOG: "1"})
    assert len(perf_sets(spec, facts)) == sets


def test_a_variant_is_booted_with_words_of_its_own(captured: Path, tmp_path: Path) -> None:
    target = Altered(RecordedTarget(folder=captured), {}, [])
    request = RunRequest(
        suite="smoke", kernels="execmem,execmem-no-tail", settings={"counters": "model"},
        out=tmp_path,
    )  # fmt: skip
    outcome = run(request, Progress(quiet=True), machine(target))
    words = {payload.spec.variant: payload.append for payload in target.seen}
    own = ("execmem=notail",)
    assert words["execmem-no-tail"] == (*own, *words["execmem"])
    manifest = load_run(outcome.path).manifest
    assert {k.name: k.boot for k in manifest.kernels} == {"execmem": (), "execmem-no-tail": own}
    one, other = (inputs(manifest, k.name, "trig-kprobe")["kernel"] for k in manifest.kernels)
    assert one != other
