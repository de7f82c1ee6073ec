# SPDX-License-Identifier: GPL-2.0-only
"""KVM without the hardware: QEMU emulates AMD's virtualization, and a stock kernel in it has a
working /dev/kvm. Guests of that kernel are guests under KVM, only slowly."""

import gzip
import shlex
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import proc
from harness.image import cpio
from harness.image import guest_layers as image
from harness.targets.qemu.accel import PROBE_EXIT_STATUS, Accelerator, probe_argv, probe_sector
from harness.targets.qemu.argv import qemu_argv
from harness.targets.qemu.qemu_target import vm_request
from harness.targets.root_layers import layers
from harness.targets.target import Ended, Payload

MODULES = ("irqbypass", "rng-core", "ccp", "kvm", "kvm-amd")
"""In the order in which they need each other; a kernel may have some built in."""
FIRMWARE = (Path("/usr/share/seabios"), Path("/usr/share/qemu"))
MEMORY_MIB = 6144
BOOT_S = 120
SLOWER = 6
"""How much longer than on the metal a guest in a guest may take."""

INIT = """\
#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o size=90% tmp /tmp
for module in {modules}; do
    [ ! -e /modules/$module.ko ] || insmod /modules/$module.ko
done
for port in 1 2; do stty -F /dev/ttyS$port raw -echo; done
{command} </dev/null
echo "nested: status $?"
for file in console channel; do [ -e /tmp/$file ] || : >/tmp/$file; done
gzip -c /tmp/console >/dev/ttyS1
gzip -c /tmp/channel >/dev/ttyS2
sleep 1
poweroff -f
"""


@dataclass(frozen=True, kw_only=True)
class NestedTarget:
    """Runs trials under KVM in a guest of the stock kernel that is unpacked in ``stock``."""

    stock: Path

    def probe(self, work: Path) -> Accelerator:
        """The program's own probe, booted there under KVM."""
        disk = cpio.regular("probe.img", probe_sector())
        words = probe_argv(Path("/probe.img"), "kvm", "host")
        ended = self._boot(words, [disk], work, BOOT_S)
        if f"nested: status {PROBE_EXIT_STATUS}" in ended.text:
            return Accelerator(
                works=True, reason="a guest under KVM, in one that emulates AMD's SVM"
            )
        return Accelerator(works=False, reason=ended.text)

    def run(self, payload: Payload) -> Ended:
        """The trial, as QemuTarget would boot it under KVM."""
        initrd = payload.work / "initrd"
        image.join(layers(payload), initrd)
        inside = replace(
            vm_request(payload),
            kernel=Path("/kernel"),
            initrd=Path("/initrd"),
            console=Path("/tmp/console"),
            channel=Path("/tmp/channel"),
        )
        files = [
            cpio.Entry(name="kernel", mode=0o100644, source=payload.kernel),
            cpio.Entry(name="initrd", mode=0o100644, source=initrd),
        ]
        seconds = BOOT_S + SLOWER * payload.timeout_s
        return self._boot(qemu_argv(inside), files, payload.work, seconds)

    def _boot(
        self, argv: Sequence[str], files: Iterable[cpio.Entry], work: Path, seconds: float
    ) -> Ended:
        root = work / "nested.cpio"
        text = INIT.format(modules=" ".join(MODULES), command=shlex.join(argv))
        with root.open("wb") as out:
            own = cpio.regular("init", text.encode(), 0o755)
            cpio.write([own, *self._root(), *files], out)
        ports = [work / name for name in ("outer.log", "console.gz", "channel.gz")]
        (kernel,) = (self.stock / "boot").glob("vmlinuz-*")
        words = [
            *(argv[0], "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,la57=off,+svm"),
            *("-smp", "2", "-m", str(MEMORY_MIB), "-kernel", str(kernel), "-initrd", str(root)),
            *("-append", "console=ttyS0 panic=-1 quiet 8250.nr_uarts=4"),
            *(word for port in ports for word in ("-serial", f"file:{port}")),
        ]
        done = proc.run(words, timeout=seconds, check=False)
        outer, console, channel = (port.read_bytes() for port in ports)
        root.unlink()
        return Ended(
            console=_unpacked(console) or outer,
            channel=_unpacked(channel),
            stderr=done.stderr + outer.decode(errors="replace"),
            seconds=done.seconds,
        )

    def _root(self) -> list[cpio.Entry]:
        """busybox, QEMU with its libraries and firmware, KVM's modules."""
        places: dict[str, Path] = {"bin/busybox": _program("busybox")}
        qemu = _program("qemu-system-x86_64")
        places["usr/bin/qemu-system-x86_64"] = qemu
        for line in proc.run(["ldd", str(qemu)]).stdout.splitlines():
            for word in line.split():
                if word.startswith("/"):
                    places[word.lstrip("/")] = Path(word).resolve()
        for folder in FIRMWARE:
            for path in folder.glob("*.bin"):
                places[str(path).lstrip("/")] = path.resolve()
        for path in self.stock.rglob("*.ko"):
            if path.stem in MODULES:
                places[f"modules/{path.name}"] = path
        applets = ("sh", "mount", "insmod", "stty", "gzip", "sleep", "poweroff", "echo")
        folders = ("dev", "proc", "sys", "tmp", "var/tmp")
        entries = [cpio.Entry(name=name, mode=0o100755, source=p) for name, p in places.items()]
        entries += [
            cpio.Entry(name=f"bin/{name}", mode=0o120777, data=b"busybox") for name in applets
        ]
        own = [cpio.directory(name) for name in folders]
        above = cpio.parents([entry.name for entry in (*entries, *own)])
        return [*above, *(entry for entry in own if entry not in above), *entries]


def _program(name: str) -> Path:
    found = shutil.which(name)
    assert found, f"no {name}: make setup"
    return Path(found).resolve()


def _unpacked(data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError):
        return b""
