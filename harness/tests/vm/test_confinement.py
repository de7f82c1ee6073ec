# SPDX-License-Identifier: GPL-2.0-only
"""QEMU while a guest runs: no root, no file, no program; and the model's report is written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.counters import itlb as reports
from harness.image import cpio
from harness.itlb import plugin as itlb
from harness.itlb.replay import replay
from harness.model.trial_settings import Mode
from harness.targets.qemu import confinement
from harness.targets.qemu.argv import VmRequest
from harness.targets.qemu.session import boot
from harness.tests.vm import bare

pytestmark = pytest.mark.vm


@pytest.mark.parametrize("mode", [Mode.EXACT, Mode.FAST])
def test_what_is_left_to_qemu(tmp_path: Path, mode: Mode) -> None:
    with (tmp_path / "initrd").open("wb") as out:
        cpio.write([cpio.directory("dev")], out)  # no init: the kernel panics, and that is the end
    report, trace = tmp_path / "itlb.json", tmp_path / "itlb.trace"
    profile = itlb.profile_path("skylake-sp")
    plugin = itlb.plugin_option(
        itlb.build_plugin().path, report, profile, {}, trace=trace if mode is Mode.EXACT else None
    )
    vm = VmRequest(
        kernel=bare.kernel("bpf_prog_pack").image, initrd=tmp_path / "initrd", mode=mode, smp=2,
        memory_mib=512, seed=1, pti="on", console=tmp_path / "console",
        channel=tmp_path / "channel", plugin=plugin,
    )  # fmt: skip
    process = Path("/proc/self")
    status: dict[str, str] = {}
    root: list[Path] = []

    @contextmanager
    def beside(pid: int) -> Iterator[None]:
        nonlocal process
        process = Path(f"/proc/{pid}")
        yield

    def look(_: bytes) -> None:
        if not status:
            lines = (process / "status").read_text().splitlines()
            status.update((k, v.strip()) for k, _, v in (x.partition(":") for x in lines))
            root.append((process / "root").readlink())

    ended = boot(vm, timeout_s=300, on_console=look, beside=beside)
    assert ended.returncode == 0, ended
    assert "Kernel panic - not syncing" in vm.console.read_text(errors="replace")
    assert status["Seccomp"] == ("2" if confinement.has_sandbox() else "0")
    assert int(status["CapEff"], 16) == 0
    if os.geteuid() == 0:
        assert set(status["Uid"].split()) == {str(confinement.NOBODY)}
        assert root == [tmp_path / "empty"]
        assert not list((tmp_path / "empty").iterdir())
    assert reports.decode(report.read_bytes()).vcpus == 2
    if mode is Mode.EXACT:  # the trace has its end, or replaying it would be refused
        again = replay(trace, profile, {}, tmp_path / "again.json")
        assert again.read_bytes() == report.read_bytes()
