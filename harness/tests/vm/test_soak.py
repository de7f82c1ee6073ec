# SPDX-License-Identifier: GPL-2.0-only
"""A hundred exact trials in one process: nothing that it holds grows."""

import os
import statistics
import threading
from pathlib import Path

import psutil
import pytest

from harness.model.records import TrialStatus
from harness.paths import cache_dir
from harness.pipeline import Progress, RunRequest, run
from harness.scratch import PREFIX, ROOT
from harness.store import load_run

pytestmark = [pytest.mark.vm, pytest.mark.long]

TRIALS = int(os.environ.get("EXECMEM_BENCH_SOAK", "100"))
JOBS = 2
HERE = Path(__file__).parent / "guests" / "misbehaves"
"""Its workload does nothing when it is not told to: a trial is a boot."""
GROWTH_BYTES = 16 << 20
"""Of memory: an allocator's, not that of 75 records or consoles that were kept."""
HOLDS = ("rss", "fds", "threads", "scratch")


class Sampler:
    """What this process holds, each second."""

    def __init__(self) -> None:
        self.samples: list[dict[str, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        me = psutil.Process()
        while not self._over.wait(1.0):
            self.samples.append(
                {
                    "rss": me.memory_info().rss,
                    "fds": me.num_fds(),
                    "threads": me.num_threads(),
                    "scratch": len(list(ROOT.glob(f"{PREFIX}{os.getpid()}-*"))),
                }
            )


def opened() -> set[str]:
    """What this process has open; entries of the cache that it uses are held until it ends."""
    links = list(Path("/proc/self/fd").iterdir())
    return {str(link.readlink()) for link in links if link.exists()}


def test_nothing_grows(tmp_path: Path) -> None:
    request = RunRequest(
        kernels="bpf_prog_pack",
        workload=str(HERE),
        seeds=tuple(range(1, TRIALS + 1)),
        settings={"pti": ("on",)},
        params={"faults": ",".join(["nothing"] * TRIALS)},
        out=tmp_path,
        jobs=JOBS,
    )
    before = opened()
    with Sampler() as sampler:
        path = run(request, Progress(quiet=True)).path
    records = load_run(path).records
    assert len(records) == TRIALS
    assert {record.status for record in records} == {TrialStatus.OK}
    quarter = len(sampler.samples) // 4
    assert quarter > 10
    parts = (sampler.samples[quarter : 2 * quarter], sampler.samples[-quarter:])
    middle = {
        hold: [statistics.median(sample[hold] for sample in part) for part in parts]
        for hold in HOLDS
    }
    print(f"{TRIALS} trials, {len(sampler.samples)} s, second and last quarter: {middle}")
    assert middle["rss"][1] - middle["rss"][0] < GROWTH_BYTES
    for hold in HOLDS[1:]:
        assert middle[hold][1] <= middle[hold][0], hold
    assert max(sample["scratch"] for sample in sampler.samples) <= JOBS + 1
    left = opened() - before
    assert [path for path in left if not path.startswith(str(cache_dir()))] == []
    assert list(ROOT.glob(f"{PREFIX}{os.getpid()}-*")) == []
