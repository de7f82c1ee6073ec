# SPDX-License-Identifier: GPL-2.0-only
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model.trial_settings import Mode
from harness.targets.qemu.accel import PROBE_EXIT_STATUS, probe_argv, probe_sector
from harness.targets.qemu.argv import VmRequest, kernel_command_line, qemu_argv
from harness.tests.golden import assert_golden

EXACT = VmRequest(
    kernel=Path("K"),
    initrd=Path("I"),
    mode=Mode.EXACT,
    smp=1,
    memory_mib=2048,
    seed=7,
    pti="on",
    console=Path("C"),
    channel=Path("T"),
    plugin="file=P,out=O",
)
REQUESTS = {
    "exact": EXACT,
    "exact-nopti-no-plugin": replace(EXACT, pti="off", plugin=None),
    "fast": replace(EXACT, mode=Mode.FAST, smp=4),
    "kvm": replace(EXACT, mode=Mode.KVM, smp=4, plugin=None),
    "shell": replace(EXACT, mode=Mode.FAST, plugin=None, interactive=True, append=("emb.shell",)),
    "kaslr": replace(EXACT, kaslr=True),
    "two-nodes": replace(EXACT, smp=2, memory_mib=1025, numa_nodes=2),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_command_lines(name: str) -> None:
    assert_golden(f"targets/{name}.argv", "\n".join(qemu_argv(REQUESTS[name])) + "\n")


def test_nothing_of_the_host_is_visible() -> None:
    for request in REQUESTS.values():
        words = qemu_argv(request)
        for word in ("-drive", "-netdev", "-virtfs", "-fsdev", "-device", "-nic"):
            assert word not in words


def test_isolation_is_always_said() -> None:
    assert "pti=on" in kernel_command_line(EXACT).split()
    assert "nopti" in kernel_command_line(replace(EXACT, pti="off")).split()


def test_probe_sector_is_bootable() -> None:
    sector = probe_sector()
    assert len(sector) == 512
    assert sector[510:] == b"\x55\xaa"
    assert PROBE_EXIT_STATUS & 1 == 1
    assert "isa-debug-exit,iobase=0xf4,iosize=1" in probe_argv(Path("D"), "kvm", "host")
