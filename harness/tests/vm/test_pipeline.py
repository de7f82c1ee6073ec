# SPDX-License-Identifier: GPL-2.0-only
"""The program as its user runs it: real kernels, real guests, the console script."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import proc
from harness.counters.facts.guest_symbols import kallsyms
from harness.guest.decoded import decode
from harness.model.reading import Status
from harness.model.records import TrialStatus
from harness.pipeline import Progress, RunRequest, run
from harness.store import load_run
from harness.store.loading import LoadedRun

pytestmark = pytest.mark.vm

SMALL = {"instances": 4, "window_s": 0.2}
VARIANTS = ("upstream", "bpf_prog_pack")


def bench(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The console script, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=2400,
        **options,
    )


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> LoadedRun:
    """One run of the suite `smoke` on both variants, and of one of them once more."""
    request = RunRequest(
        suite="smoke", kernels=",".join(VARIANTS), out=tmp_path_factory.mktemp("results")
    )
    outcome = run(request, Progress())
    assert (outcome.failed, outcome.interrupted) == (0, False)
    return load_run(outcome.path)


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[LoadedRun]:
    """The same trial in two runs."""
    found = []
    for _ in range(2):
        request = RunRequest(
            suite="smoke",
            kernels="bpf_prog_pack",
            params=dict(SMALL),
            out=tmp_path_factory.mktemp("results"),
        )
        found.append(load_run(run(request, Progress()).path))
    return found


def values(loaded: LoadedRun, variant: str) -> dict[tuple[Any, ...], float | None]:
    (record,) = (r for r in loaded.records if r.spec.variant == variant)
    assert record.status is TrialStatus.OK
    return {r.key: r.value for r in record.readings if r.source != "host"}


def one(
    found: dict[tuple[Any, ...], float | None], name: str, source: str = "", **labels: str
) -> float:
    """The value of the reading ``name``; of ``source`` where more than one reports it."""
    (value,) = (
        v
        for key, v in found.items()
        if key[0] == name and source in ("", key[1]) and dict(key[2]).items() >= labels.items()
    )
    assert value is not None
    return value


def test_equal_seeds_agree_to_the_last_digit(twice: list[LoadedRun]) -> None:
    first, second = (values(loaded, "bpf_prog_pack") for loaded in twice)
    assert first == second
    assert one(first, "itlb.lookups") > 100_000


def text_start(loaded: LoadedRun, out: Path, seed: int) -> int:
    """Where the kernel's text began, as the guest itself said before the workload."""
    (record,) = (r for r in loaded.records if r.spec.seed == seed)
    assert record.status is TrialStatus.OK, record.failure
    packed = out / loaded.manifest.run / "raw" / record.trial / "channel.out.gz"
    files = decode(gzip.decompress(packed.read_bytes())).files
    (text,) = (data for name, data in files.items() if name == "baseline/kallsyms_text")
    return next(s.address for s in kallsyms(text.decode()) if s.name == "_text")


def test_a_seed_moves_the_kernel_where_asked(tmp_path: Path) -> None:
    """Equal seeds give equal addresses and readings, also where the kernel draws them."""
    request = RunRequest(
        suite="smoke",
        kernels="execmem",
        settings={"kaslr": True},
        params=dict(SMALL),
        out=tmp_path / "two",
    )
    two = load_run(run(replace(request, seeds=(1, 2)), Progress()).path)
    again = load_run(run(replace(request, seeds=(1,), out=tmp_path / "again"), Progress()).path)
    starts = [text_start(two, tmp_path / "two", seed) for seed in (1, 2)]
    assert len({0xFFFF_FFFF_8100_0000, *starts}) == 3
    assert text_start(again, tmp_path / "again", 1) == starts[0]
    readings = [
        {r.key: r.value for r in record.readings if r.source != "host"}
        for loaded in (two, again)
        for record in loaded.records
        if record.spec.seed == 1
    ]
    assert readings[0] == readings[1]
    assert one(readings[0], "bpf.text.in_kernel_image", at="close") > 0
    assert one(readings[0], "itlb.lookups") > 100_000


def test_every_program_has_pages_of_its_own_or_shares_them(smoke: LoadedRun) -> None:
    upstream, packs = (values(smoke, v) for v in VARIANTS)
    programs = one(upstream, "bpf.text.programs", at="close")
    assert programs == one(packs, "bpf.text.programs", at="close")
    assert one(upstream, "bpf.text.pages_4k", at="close") >= programs
    assert one(packs, "bpf.text.pages_4k", at="close") < programs / 4
    assert one(packs, "bpf.text.pages_2m", at="close") == 0


def test_packs_shoot_down_less(smoke: LoadedRun) -> None:
    upstream, packs = (values(smoke, v) for v in VARIANTS)
    sent = [one(v, "tlb.remote_flush", "kernel", phase="trial") for v in (upstream, packs)]
    assert sent[0] > 4 * sent[1]


def test_bpf_text_walks_less_when_programs_share_pages(smoke: LoadedRun) -> None:
    walks = [one(values(smoke, v), "itlb.walk_completed_4k", origin="bpf_prog") for v in VARIANTS]
    assert walks[0] > walks[1]


def test_every_origin_is_known_and_nothing_is_writable_and_executable(smoke: LoadedRun) -> None:
    for variant in VARIANTS:
        found = values(smoke, variant)
        everything = one(found, "itlb.walks", origin="all")
        other = one(found, "itlb.walks", origin="other")
        assert other <= everything / 10
        assert one(found, "wx.mappings", at="close") == 0
        assert one(found, "bpf.text.not_executable", at="close") == 0


def test_raw_output_is_kept(smoke: LoadedRun, tmp_path: Path) -> None:
    assert len(smoke.records) == 2
    assert smoke.manifest.kernels[0].image_sha256 != smoke.manifest.kernels[1].image_sha256
    assert smoke.manifest.plugin_sha256


def test_perf_without_a_pmu_is_not_supported_never_zero(tmp_path: Path) -> None:
    request = RunRequest(
        suite="smoke",
        kernels="bpf_prog_pack",
        settings={"counters": "both"},
        params={"instances": 2, "window_s": 0.2},
        out=tmp_path,
    )
    loaded = load_run(run(request, Progress()).path)
    (record,) = loaded.records
    assert record.status is TrialStatus.OK, record.failure
    perf = {r.name: r for r in record.readings if r.source == "perf"}
    for name in ("iTLB-load-misses", "itlb.walk_completed_4k", "itlb.walk_completed_2m_4m"):
        assert perf[name].status is Status.NOT_SUPPORTED
        assert perf[name].value is None
    assert perf["context_switches"].status is Status.OK
    raw = tmp_path / loaded.manifest.run / "raw" / record.trial
    assert json.loads(gzip.decompress((raw / "itlb.json.gz").read_bytes()))["schema"] == 2
    assert (raw / "console.log").stat().st_size > 1000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 64 KiB: a manifest fits, a trial's output does not."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "full"
    folder.mkdir()
    proc.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)])
    yield folder
    proc.run(["umount", str(folder)])


def test_full_disk_is_one_line_and_keeps_what_was_measured(small_disk: Path) -> None:
    done = bench(
        *("run", "--suite", "smoke", "--kernel", "bpf_prog_pack", "--jobs", "1"),
        *("--seeds", "3", "-p", "instances=2", "-p", "window_s=0.1", "--out", str(small_disk)),
    )
    assert done.returncode == 3, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("execmem-bench: ")
    assert "the disk is full" in last
    (folder,) = small_disk.iterdir()
    load_run(folder)


def test_interruption_keeps_what_has_ended(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "harness", "run", "--suite", "smoke", "--jobs", "1"),
        *("--kernel", "bpf_prog_pack", "--seeds", "4", "-p", "instances=2", "-p", "window_s=0.1"),
        *("--out", str(tmp_path)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        deadline = time.monotonic() + 600
        while not any(f.stat().st_size for f in tmp_path.glob("*/records.jsonl")):
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        output = running.communicate(timeout=60)[0].decode()
    assert running.returncode == 130, output
    (folder,) = tmp_path.iterdir()
    records = load_run(folder).records
    assert 1 <= len(records) < 4
    assert all(r.status is TrialStatus.OK for r in records)
    assert "qemu-system" not in proc.run(["ps", "-o", "args=", "--ppid", "1"], check=False).stdout
