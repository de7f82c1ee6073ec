# SPDX-License-Identifier: GPL-2.0-only
"""The vCPUs of a real QEMU are each on a core of its own, and so from its first second on."""

import os
import threading
import time
from pathlib import Path

import psutil
import pytest

from harness.model.trial_settings import Mode
from harness.targets.qemu import pinning
from harness.tests.vm.bare import bench, console_of, kernel

pytestmark = pytest.mark.vm


def affinities() -> dict[str, set[int]]:
    """CPUs of the vCPU threads of QEMUs that this process has started, by name."""
    found = {}
    for child in psutil.Process().children():
        for task in Path(f"/proc/{child.pid}/task").glob("*"):
            name = pinning.read(f"{task}/comm")
            if name.startswith("CPU "):
                found[name] = os.sched_getaffinity(int(task.name))
    return found


def test_each_vcpu_has_a_core(tmp_path: Path) -> None:
    cpus = pinning.choose(2)
    if not cpus:
        pytest.skip("this machine has one core")
    kernel("bpf_prog_pack"), bench()  # built before the guest is waited for
    consoles: list[str] = []

    def run() -> None:
        told = console_of("bpf_prog_pack", "sleep 5\n", tmp_path, mode=Mode.FAST, smp=2)
        consoles.append(told)

    guest = threading.Thread(target=run)
    guest.start()
    pinned: dict[str, set[int]] = {}
    while guest.is_alive():
        pinned |= affinities()
        time.sleep(0.2)
    guest.join()
    assert consoles
    assert pinned == {f"CPU {n}/TCG": {cpu} for n, cpu in enumerate(cpus)}
