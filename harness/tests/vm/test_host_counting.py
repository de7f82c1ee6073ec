# SPDX-License-Identifier: GPL-2.0-only
"""perf on the host of a guest, with events that the host's kernel counts itself.

No hardware is needed for these. What they count is QEMU, whatever it executes the guest by.
"""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.counters import host_perf
from harness.counters.events import Event
from harness.counters.host_perf import HostCounts
from harness.doctor.pmu import DEVICES
from harness.guest.decoded import decode
from harness.model.reading import Reading, Status
from harness.pipeline import Progress, RunRequest, run
from harness.pipeline.machine import Machine
from harness.store import load_run
from harness.targets.qemu.qemu_target import QemuTarget
from harness.targets.target import Ended, Payload

pytestmark = pytest.mark.vm

CLOCK = Event(name="task-clock", reading="context_switches")
"""perf tells milliseconds of CPU time of the process."""
RAW = Event(name="r0285", reading="itlb.walk_completed_4k")
WINDOW_S = 5.0


@dataclass(frozen=True)
class Counted:
    """QEMU's target, told to count on the host."""

    ends: list[Ended] = field(default_factory=list)

    def run(self, payload: Payload) -> Ended:
        events = (CLOCK.name, RAW.name)
        self.ends.append(QemuTarget().run(replace(payload, host_events=events)))
        return self.ends[-1]


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> list[Reading]:
    if shutil.which("perf") is None:
        pytest.skip("perf is not installed, which only COUNTERS=host needs")
    folder = tmp_path_factory.mktemp("host")
    target = Counted()
    request = RunRequest(
        suite="smoke",
        kernels="bpf_prog_pack",
        settings={"mode": "fast", "counters": "none", "smp": 1},
        params={"instances": 2, "window_s": WINDOW_S},
        out=folder / "results",
    )
    # A lock of its own: CPU time does not depend on what else runs.
    machine = Machine(target=target, lock=folder / "lock")
    (record,) = load_run(run(request, Progress(), machine).path).records
    assert record.failure is None, record.failure
    (ended,) = target.ends
    (window,) = decode(ended.channel).windows
    assert window.ns >= WINDOW_S * 1e9
    counts = HostCounts(output=ended.host_counts, opened_s=ended.opened_s)
    return list(host_perf.readings(counts, "measured", window.ns / 1e9, [CLOCK, RAW]))


def test_the_cpu_time_of_the_window_is_that_of_its_vcpu(readings: list[Reading]) -> None:
    """One vCPU that is always busy has a CPU, where the machine has one to give."""
    clock = readings[0]
    assert clock.status is Status.SCALED
    assert clock.reason.startswith("counted on the host in ")
    assert 0.2 * WINDOW_S * 1000 < (clock.value or 0) < 2 * WINDOW_S * 1000


def test_what_no_guest_on_the_hardware_did_is_not_counted(readings: list[Reading]) -> None:
    """QEMU emulates this guest: the CPU never executes it as one, whether there is a PMU or not."""
    if Path(DEVICES, "cpu").exists():
        assert readings[1].value in (None, 0)
    else:
        assert (readings[1].value, readings[1].status) == (None, Status.NOT_SUPPORTED)
