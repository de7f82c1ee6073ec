# SPDX-License-Identifier: GPL-2.0-only
"""One run shared out: by GNU parallel over ssh to two machines, one of which dies on the way, and
by Slurm as an array of jobs."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.analysis.same_result import first_difference
from harness.pipeline import Progress, RunRequest, collect, plan_trials, run
from harness.store import load_run
from harness.store.trial_folder import TRIALS, load
from harness.tests.vm import slurm
from harness.tests.vm.lab import Lab, lab
from harness.tests.vm.unpacked import unpacked

pytestmark = [pytest.mark.vm, pytest.mark.long]

PACKAGES = ("parallel", "openssh-client", "openssh-server", "libwrap0")
NAMES = ("alpha", "beta")
REQUEST = RunRequest(
    kernels="upstream,bpf_prog_pack",
    workload="trig-kprobe",
    seeds=(1, 2),
    settings={"pti": ("on",)},
    params={"instances": 2, "window_s": 0.1},
)
PROGRAM = f"{sys.executable} -m harness"


def request(out: Path) -> RunRequest:
    return replace(REQUEST, out=out)


@dataclass(frozen=True, kw_only=True)
class Shared:
    """What came of the run on two machines."""

    run: Path
    keys: tuple[str, ...]
    again: tuple[str, ...]
    log: str  # parallel's
    died_at: int  # results that had come
    left: list[int]  # processes of the machine that died


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if os.geteuid():
        pytest.skip("networks and names of a test's own need root")
    programs = unpacked(PACKAGES, tmp_path_factory.mktemp("programs"))
    with lab(NAMES, programs, tmp_path_factory.mktemp("lab")) as made:
        yield made


@pytest.fixture(scope="module")
def shared(two: Lab, tmp_path_factory: pytest.TempPathFactory) -> Shared:
    here = tmp_path_factory.mktemp("here")
    planned = plan_trials(request(here / "results"), Progress(), verify=50)
    name = f"results/{planned.path.name}"
    (here / "keys").write_text("\n".join([*planned.keys, *planned.again]) + "\n")
    (here / "machines").write_text(
        "".join(f"1/{' '.join(two.ssh)} {machine.address}\n" for machine in two.machines)
    )
    programs = next(Path(two.work).parents[1].glob("programs*/root"))
    argv = [
        "perl", str(programs / "usr/bin/parallel"), "--will-cite", "--sshloginfile", "machines",
        "--workdir", str(two.work), "--basefile", f"{name}/manifest.json",
        "--return", f"{name}/{TRIALS}/{{}}", "--joblog", "log", "--retries", "3",
        f"{PROGRAM} trial --quiet --out results {{}} || exit 1", "::::", "keys",
    ]  # fmt: skip
    with (here / "output").open("wb") as output:
        going = subprocess.Popen(argv, cwd=here, stdout=output, stderr=subprocess.STDOUT)
        beta = two.machines[1]
        while not list((here / name).glob(f"{TRIALS}/*/record.json")):
            assert going.poll() is None, (here / "output").read_text()
            time.sleep(0.2)
        died_at = len(list((here / name).glob(f"{TRIALS}/*/record.json")))
        beta.die()
        status = going.wait(1200)
    assert status == 0, (here / "output").read_text()
    return Shared(
        run=planned.path, keys=planned.keys, again=planned.again,
        log=(here / "log").read_text(), died_at=died_at, left=beta.pids(),
    )  # fmt: skip


def test_the_machine_died_in_the_middle(shared: Shared) -> None:
    assert 0 < shared.died_at < len(shared.keys) + len(shared.again)
    assert shared.left == []


def test_every_key_has_its_result(shared: Shared) -> None:
    made = {key: load(shared.run / TRIALS / key) for key in (*shared.keys, *shared.again)}
    assert {one.record.machine for one in made.values()} <= set(NAMES)
    assert [key for key, one in made.items() if one.record.failure] == []


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same trials, one after the other."""
    return run(request(tmp_path_factory.mktemp("serial")), Progress()).path


def assert_same_run(path: Path, serial: Path) -> None:
    ours, theirs = load_run(serial), load_run(path)
    assert len(theirs.records) == len(ours.records) == 4
    for one, other in zip(ours.records, theirs.records, strict=True):
        assert first_difference(one, other) == ""
        for name in ("console.log", "channel.out.gz", "itlb.json.gz"):
            mine, there = (folder / "raw" / one.trial / name for folder in (serial, path))
            assert mine.read_bytes() == there.read_bytes(), f"{one.trial}: {name}"


def test_the_run_is_what_one_machine_makes_of_it(shared: Shared, serial: Path) -> None:
    collected = collect(str(shared.run), [], shared.run.parent)
    assert collected.whole, list(collected.lines)
    assert len(collected.verified) + len(collected.alone) == len(shared.again)
    assert_same_run(shared.run, serial)


def test_an_array_of_slurm_makes_the_same_run(
    serial: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = unpacked(slurm.PACKAGES, tmp_path_factory.mktemp("slurm-programs"))
    planned = plan_trials(request(tmp_path / "results"), Progress())
    (tmp_path / "keys").write_text("\n".join(planned.keys) + "\n")
    job = f'{PROGRAM} trial --quiet --out results "$(sed -n "${{SLURM_ARRAY_TASK_ID}}p" keys)"'
    with slurm.cluster(root, tmp_path_factory.mktemp("slurm")) as cluster:
        words = (f"--array=1-{len(planned.keys)}", "--wait", f"--wrap={job}")
        told = cluster.run("sbatch", *words, cwd=tmp_path, timeout=1200)
    assert told.startswith("Submitted batch job")
    collected = collect(str(planned.path), [], planned.path.parent)
    assert collected.whole, list(collected.lines)
    assert_same_run(planned.path, serial)
