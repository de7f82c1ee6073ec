# SPDX-License-Identifier: GPL-2.0-only
"""A guest whose init is one C program of ours, followed by the model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import proc
from harness.image import cpio
from harness.itlb import plugin as itlb
from harness.model.trial_settings import Mode
from harness.pipeline import Progress, prepare
from harness.targets.qemu.argv import VmRequest
from harness.targets.qemu.session import boot

GUESTS = Path(__file__).parent / "guests"


def initrd_of(program: str, folder: Path) -> Path:
    """An initramfs in ``folder`` that is nothing but ``guests/<program>.c``."""
    flags = ["-O2", "-static", "-pthread", "-Wall", "-Wextra", "-Werror"]
    proc.run(["gcc", *flags, "-o", str(folder / "init"), str(GUESTS / f"{program}.c")])
    with (folder / "initrd").open("wb") as out:
        cpio.write([cpio.Entry(name="init", mode=0o100755, source=folder / "init")], out)
    return folder / "initrd"


@dataclass(frozen=True, kw_only=True)
class Boot:
    """One boot. ``done``: what the program prints at its end."""

    initrd: Path
    done: str
    smp: int = 1
    pti: str = "off"
    profile: str = "skylake-sp"
    pcid: str = "tagged"
    mode: Mode = Mode.EXACT
    kernel: str = "bpf_prog_pack"
    told_pti: str | None = None  # what the plugin is told; None: as it is

    def report(self, folder: Path, **words: Any) -> bytes:
        """The model's report; ``words`` are more of the plugin's options."""
        folder.mkdir(parents=True, exist_ok=True)
        kernel = prepare.kernels(self.kernel, Progress(), bench=False).kernels[0]
        out, profile = folder / "itlb.json", itlb.profile_path(self.profile)
        trace = words.pop("trace", None)
        options = {"pcid": self.pcid, "pti": self.told_pti or self.pti, **words}
        plugin = itlb.plugin_option(itlb.build_plugin().path, out, profile, options, trace=trace)
        vm = VmRequest(
            kernel=kernel.image, initrd=self.initrd, mode=self.mode, smp=self.smp,
            memory_mib=512, seed=1, pti=self.pti, console=folder / "console.log",
            channel=folder / "channel.out", plugin=plugin,
        )  # fmt: skip
        ended = boot(vm, timeout_s=600)
        console = (folder / "console.log").read_text(errors="replace")
        assert self.done in console, ended.stderr + console[-2000:]
        return out.read_bytes()
