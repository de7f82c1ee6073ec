# SPDX-License-Identifier: GPL-2.0-only
"""Recording changes nothing, a replay equals the run, and four vCPUs are as exact as one."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from harness.itlb import plugin as itlb
from harness.itlb.replay import replay
from harness.tests.vm.modelled import Boot, initrd_of

pytestmark = pytest.mark.vm

OTHER = "zen3"


@pytest.fixture(scope="module")
def initrd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return initrd_of("shootdowns", tmp_path_factory.mktemp("guest"))


def run(
    initrd: Path, work: Path, smp: int, pti: str, profile: str = "skylake-sp", **words: Any
) -> bytes:
    """The report of one boot; a trace, if asked for, is beside it."""
    guest = Boot(
        initrd=initrd,
        done=f"shootdowns: done on {smp}",
        smp=smp,
        pti=pti,
        profile=profile,
        pcid=words.pop("pcid", "tagged"),
    )
    return guest.report(work, **words)


@pytest.fixture(scope="module", params=[(1, "on"), (4, "off")], ids=["1-pti", "4-nopti"])
def recorded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, initrd: Path
) -> tuple[int, str, Path, bytes]:
    smp, pti = request.param
    work = tmp_path_factory.mktemp("recorded") / "work"
    report = run(initrd, work, smp, pti, trace=work / "itlb.trace")
    return smp, pti, work / "itlb.trace", report


def test_self_checks_hold(recorded: tuple[int, str, Path, bytes]) -> None:
    smp, _, _, data = recorded
    report = json.loads(data)
    assert all(check["ok"] for check in report["self_checks"])
    assert report["vcpus"] == smp
    assert all(vcpu["lookups"] > 1000 for vcpu in report["windows"][1]["vcpus"])


def test_recording_changes_nothing_and_runs_are_equal(
    recorded: tuple[int, str, Path, bytes], initrd: Path, tmp_path: Path
) -> None:
    smp, pti, _, report = recorded
    assert run(initrd, tmp_path / "work", smp, pti) == report


def test_replay_equals_live(recorded: tuple[int, str, Path, bytes], tmp_path: Path) -> None:
    _, _, trace, report = recorded
    out = replay(trace, itlb.profile_path("skylake-sp"), {}, tmp_path / "out.json")
    assert out.read_bytes() == report


def test_another_profile_and_policy_replay_as_they_run(
    recorded: tuple[int, str, Path, bytes], initrd: Path, tmp_path: Path
) -> None:
    """From the trace that was recorded under the first ones."""
    smp, pti, trace, _ = recorded
    live = run(initrd, tmp_path / "work", smp, pti, OTHER, pcid="flush", host_page="4k", hits=True)
    policy = {"pcid": "flush", "host_page": "4k", "hits": True}
    out = replay(trace, itlb.profile_path(OTHER), policy, tmp_path / "out.json")
    assert out.read_bytes() == live


def test_trace_is_compact(recorded: tuple[int, str, Path, bytes]) -> None:
    _, _, trace, data = recorded
    lookups = sum(vcpu["lookups"] for vcpu in json.loads(data)["windows"][0]["vcpus"])
    assert trace.stat().st_size < lookups / 4  # bytes
    assert gzip.decompress(trace.read_bytes()).startswith(b"EMBTRACE")


def test_loads_and_stores_replay_as_they_ran(initrd: Path, tmp_path: Path) -> None:
    """The data side on; the trace also serves a policy without it."""
    work = tmp_path / "work"
    report = run(initrd, work, 1, "on", trace=work / "itlb.trace", data=True)
    profile = itlb.profile_path("skylake-sp")
    out = replay(work / "itlb.trace", profile, {"data": True}, tmp_path / "with.json")
    assert out.read_bytes() == report
    (data,) = json.loads(report)["windows"][1]["data"]
    assert data["lookups"] > 1000
    without = replay(work / "itlb.trace", profile, {}, tmp_path / "without.json")
    assert without.read_bytes() == run(initrd, tmp_path / "second", 1, "on")
