# SPDX-License-Identifier: GPL-2.0-only
"""Targets: QEMU with a shell in its place, captured output, and a trial's files."""

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import DataError, UserError
from harness.guest.agent import frames
from harness.image.guest_layers import Layer
from harness.model.specs import TrialSpec
from harness.model.trial_settings import Counters, Mode
from harness.targets import trial_files, watched
from harness.targets.qemu import confinement, session
from harness.targets.qemu.confinement import UNCONFINED
from harness.targets.qemu.qemu_target import QemuTarget, vm_request
from harness.targets.recorded import RecordedTarget
from harness.targets.target import INTERRUPTED, Ended, KernelFiles, Model, Payload
from harness.tests.unit.captured_trials import spec

ENDED = Ended(
    console=b"a line\n", channel=b"frames\n", report=b"{}", returncode=None, stopped="why",
    stderr="words", seconds=1.5,
)  # fmt: skip


@pytest.fixture
def payload(tmp_path: Path) -> Payload:
    workload, work = tmp_path / "workload", tmp_path / "work"
    workload.mkdir()
    work.mkdir()
    (workload / "w.py").write_text("")
    base = tmp_path / "base.cpio"
    base.write_bytes(b"base layer ")
    return Payload(
        spec=spec(),
        document=b"{}",
        workload=workload,
        kernel=Path("K"),
        kernel_files=KernelFiles(),
        layers=(Layer(name="base", path=base, sha256=""),),
        model=Model(plugin=Path("P"), profile=Path("F"), trace=True),
        append=("lsm=bpf",),
        timeout_s=5.0,
        work=work,
    )


def booted(monkeypatch: pytest.MonkeyPatch, payload: Payload, script: str) -> Ended:
    """The end of ``payload`` with ``script``, which runs in its work folder, as QEMU."""
    words = ["/bin/sh", "-c", f"cd {payload.work}; {script}"]
    monkeypatch.setattr(session, "qemu_argv", lambda *_: words)
    monkeypatch.setattr(confinement, "of_machine", lambda _: UNCONFINED)
    monkeypatch.setattr(watched, "POLL_S", 0.02)
    return QemuTarget().run(payload)


def test_what_qemu_wrote_is_the_end(monkeypatch: pytest.MonkeyPatch, payload: Payload) -> None:
    (line,) = frames.encode(0, "progress", "progress", b"setting up")
    lines: list[str] = []
    script = (
        f"echo '{line}' >channel.out; echo text >console.log; echo report >itlb.json; "
        "echo trace >itlb.trace; echo words >&2; exit 3"
    )
    ended = booted(monkeypatch, replace(payload, on_progress=lines.append), script)
    assert (ended.console, ended.report) == (b"text\n", b"report\n")
    assert (ended.returncode, ended.stopped, ended.stderr) == (3, "", "words\n")
    assert ended.trace is not None
    assert ended.trace.read_text() == "trace\n"
    assert lines == ["setting up"]
    initrd = (payload.work / "initrd").read_bytes()
    assert initrd.startswith(b"base layer ")
    assert b"run/trial/trial.json" in initrd
    assert b"run/trial/workload/w.py" in initrd


def test_qemu_that_wrote_nothing(monkeypatch: pytest.MonkeyPatch, payload: Payload) -> None:
    ended = booted(monkeypatch, payload, "exit 0")
    assert (ended.console, ended.channel, ended.report) == (b"", b"", b"")
    assert ended.trace is None
    assert booted(monkeypatch, replace(payload, model=None), "exit 0").report is None


def test_a_user_who_stops(monkeypatch: pytest.MonkeyPatch, payload: Payload) -> None:
    stopped = replace(payload, should_stop=lambda: True)
    assert booted(monkeypatch, stopped, "exec sleep 60").stopped == INTERRUPTED


@pytest.mark.parametrize("mode", session.SILENT_S)
def test_silence_is_judged_by_what_executes_the_guest(
    monkeypatch: pytest.MonkeyPatch, payload: Payload, mode: Mode
) -> None:
    """A kernel that hardware executes writes within seconds: a KVM that runs a boot sector and no
    kernel cost two minutes of every run."""
    monkeypatch.setattr(session, "SILENT_S", {**session.SILENT_S, Mode.KVM: 0.1})
    monkeypatch.setattr(watched, "POLL_S", 0.02)
    of_mode = replace(payload, spec=replace(payload.spec, mode=mode), timeout_s=0.5)
    stopped = booted(monkeypatch, of_mode, "exec sleep 60").stopped
    if mode is Mode.KVM:
        assert stopped == "nothing written after 0.1 s of wall time"
    else:
        assert stopped == "timed out after 0.5 s of wall time; killed"
    assert session.SILENT_S[Mode.EXACT] >= 180


def test_a_guest_that_writes_without_end(monkeypatch: pytest.MonkeyPatch, payload: Payload) -> None:
    monkeypatch.setattr(session, "CHANNEL_BYTES", 1000)
    ended = booted(monkeypatch, payload, "head -c 2000 /dev/zero >channel.out; exec sleep 60")
    assert ended.stopped == "too much output: more than 1000 bytes in channel.out"


def test_the_boot_follows_from_the_payload(payload: Payload) -> None:
    request = vm_request(payload)
    assert request.plugin == (
        f"file=P,out={payload.work}/itlb.json,profile=F,trace={payload.work}/itlb.trace,"
        "pti=on,pcid=tagged,host_page=2m,data=off"
    )
    assert (request.append, request.smp, request.seed) == (("lsm=bpf",), 2, 1)
    assert vm_request(replace(payload, model=None)).plugin is None


def test_files_are_read_as_they_were_kept(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    trace.write_bytes(b"trace")
    kept = tmp_path / "raw"
    trial_files.keep(replace(ENDED, trace=trace), kept)
    assert trial_files.read(kept) == replace(ENDED, trace=kept / trial_files.TRACE)
    names = {path.name for path in kept.iterdir()}
    assert names == {"console.log", "channel.out.gz", "itlb.json.gz", "itlb.trace", "end.json"}
    again = tmp_path / "again"
    trial_files.keep(ENDED, again)
    assert (again / "channel.out.gz").read_bytes() == (kept / "channel.out.gz").read_bytes()


def test_a_run_of_before_has_no_word_of_its_end(tmp_path: Path) -> None:
    (tmp_path / "console.log").write_bytes(b"x")
    (tmp_path / "channel.out").write_bytes(b"y")
    assert trial_files.read(tmp_path) == Ended(console=b"x", channel=b"y")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("channel.out.gz", b"no gzip"),
        ("channel.out.gz", gzip.compress(b"x" * 100, mtime=0)[:-9]),
        ("channel.out.gz", gzip.compress(b"x" * 100, mtime=0)[:12] + b"\xff" * 30),
        ("end.json", b"{"),
        ("end.json", b'{"returncode": "0"}'),
    ],
    ids=["no gzip", "cut short", "no deflate", "no JSON", "a text for a number"],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, data: bytes) -> None:
    trial_files.keep(ENDED, tmp_path)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=name):
        trial_files.read(tmp_path)


def test_a_file_that_unpacks_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial_files.keep(replace(ENDED, channel=bytes(5000)), tmp_path)
    monkeypatch.setattr(trial_files, "MOST", 1000)
    with pytest.raises(DataError, match="more than 1000 bytes"):
        trial_files.read(tmp_path)


def test_captured_output_by_trial_or_of_one(tmp_path: Path, payload: Payload) -> None:
    other: TrialSpec = replace(payload.spec, seed=2)
    for one, text in ((payload.spec, b"first"), (other, b"second")):
        trial_files.keep(replace(ENDED, console=text), tmp_path / "raw" / one.id)
    target = RecordedTarget(folder=tmp_path / "raw")
    assert target.run(payload).console == b"first"
    assert target.run(replace(payload, spec=other)).console == b"second"
    alone = RecordedTarget(folder=tmp_path / "raw" / other.id)
    assert alone.run(payload).console == b"second"
    with pytest.raises(UserError, match="no output of trial trig-kprobe-upstream-ption-s3"):
        target.run(replace(payload, spec=replace(other, seed=3)))
    assert target.run(replace(payload, should_stop=lambda: True)).stopped == INTERRUPTED


def test_a_report_is_given_where_the_trial_has_a_model(tmp_path: Path, payload: Payload) -> None:
    target = RecordedTarget(folder=tmp_path)
    trial_files.keep(ENDED, tmp_path)
    without = replace(payload, model=None, spec=spec(Counters.NONE))
    assert (target.run(payload).report, target.run(without).report) == (b"{}", None)
    (tmp_path / "itlb.json.gz").unlink()
    assert target.run(payload).report == b"", "asked for, and there is none"
