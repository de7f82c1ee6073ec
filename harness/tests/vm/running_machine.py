# SPDX-License-Identifier: GPL-2.0-only
"""A machine that runs a kernel of ours and has this program on it: for KERNEL=local."""

import site
import sys
from dataclasses import dataclass
from pathlib import Path

from harness import proc
from harness.image import cpio
from harness.image import guest_layers as image
from harness.itlb.plugin import QEMU
from harness.kernel import Kernel
from harness.paths import PROJECT
from harness.targets.qemu.argv import CPU_TCG
from harness.tests.vm import bare

SCRIPT = Path(__file__).with_name("guests") / "measured_here.py"
LEFT_OUT = ("mypy", "mypyc", "ruff", "pip", "setuptools", "hypothesis", "jsonschema", "kcidb_io")
"""What of the Python environment only development needs."""
CPUS, MEMORY_MIB = 2, 6144
BOOT_S = 900

INIT = """\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH=/program:/site
mkdir -p /proc /sys /dev /run /tmp /var/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /run
mount -t tmpfs tmp /tmp
mkdir -p /dev/pts /run/lock && mount -t devpts devpts /dev/pts
chmod 1777 /tmp /var/tmp /run/lock
echo 1 >/proc/sys/net/core/bpf_jit_enable
echo 0 >/proc/sys/net/core/bpf_jit_kallsyms
echo 1 >/proc/sys/kernel/kptr_restrict
echo 2 >/proc/sys/kernel/perf_event_paranoid
stty -F /dev/ttyS1 raw -echo
python3 /program/measured_here.py 2>&1 | cat
tar -C / -cz results | cat >/dev/ttyS1
sleep 1
busybox reboot -f
"""


@dataclass(frozen=True, kw_only=True)
class RunningMachine:
    """Boots ``kernel`` with the program on it, without page-table isolation."""

    kernel: Kernel

    def results(self, work: Path) -> Path:
        """The folder of what the script wrote there."""
        initrd, base = work / "machine.initrd", image.base_layers(print)["base"]
        own = work / "own.cpio"
        with own.open("wb") as out:
            cpio.write(self._files(base.path), out)
        layer = image.Layer(name="own", path=own, sha256="")
        image.join([base, layer], initrd)
        console, channel = work / "machine.log", work / "results.tar.gz"
        proc.run(
            [
                *(QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
                *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", CPU_TCG),
                *("-smp", str(CPUS), "-m", str(MEMORY_MIB)),
                *("-kernel", str(self.kernel.image), "-initrd", str(initrd)),
                *("-append", "console=ttyS0 panic=-1 nokaslr nopti 8250.nr_uarts=4"),
                *("-serial", f"file:{console}", "-serial", f"file:{channel}"),
            ],
            timeout=BOOT_S,
        )
        for path in (initrd, own):
            path.unlink()
        assert channel.stat().st_size, console.read_text(errors="replace")[-4000:]
        proc.run(["tar", "-C", str(work), "-xzf", str(channel)])
        return work / "results"

    def _files(self, base: Path) -> list[cpio.Entry]:
        program = [
            str(path.relative_to(PROJECT))
            for folder in ("harness", "configs", "workloads")
            for path in (PROJECT / folder).rglob("*")
            if "__pycache__" not in path.parts and "tests" not in path.relative_to(PROJECT).parts
        ]
        packages = Path(next(p for p in site.getsitepackages() if Path(p).is_dir()))
        assert packages.is_relative_to(sys.prefix), "the project's own environment"
        modules = [
            str(path.relative_to(packages))
            for path in packages.rglob("*")
            if path.relative_to(packages).parts[0].partition(".")[0] not in LEFT_OUT
            and not {"__pycache__", "tests"}.intersection(path.parts)
            and "__mypyc" not in path.name
        ]
        executable = 0o100755
        entries = [
            *cpio.from_tree(PROJECT, program, prefix="program/"),
            *cpio.from_tree(packages, modules, prefix="site/"),
            cpio.regular("init", INIT.encode(), 0o755),
            cpio.Entry(name="program/measured_here.py", mode=0o100644, source=SCRIPT),
            cpio.Entry(name="given/bench", mode=executable, source=bare.bench()),
            cpio.Entry(name="given/base.cpio", mode=0o100644, source=base),
            cpio.Entry(name="usr/bin/cpio", mode=executable, source=Path("/usr/bin/cpio")),
        ]
        names = [entry.name for entry in entries]
        have = set(names)
        return [*(one for one in cpio.parents(names) if one.name not in have), *entries]
