# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator truly works here: decided by booting a probe, never by a device node."""

from dataclasses import dataclass
from pathlib import Path

from harness import proc
from harness.itlb.plugin import QEMU
from harness.scratch import scratch

PROBE_TIMEOUT_S = 15.0
_EXIT_PORT = 0xF4
_EXIT_VALUE = 0x31
# isa-debug-exit ends QEMU with (value << 1) | 1.
PROBE_EXIT_STATUS = (_EXIT_VALUE << 1) | 1


@dataclass(frozen=True, kw_only=True)
class Accelerator:
    """Whether it runs a guest; ``reason`` says how that was found out.

    ``detail`` is QEMU's own last line where it did not run, for whoever looks into it.
    """

    works: bool
    reason: str
    detail: str = ""


def probe_sector() -> bytes:
    """A boot sector (512 bytes, real mode) that ends QEMU through isa-debug-exit.

    mov al, value; mov dx, port; out dx, al; hlt; jmp to hlt.
    """
    code = bytes([0xB0, _EXIT_VALUE, 0xBA, _EXIT_PORT, 0x00, 0xEE, 0xF4, 0xEB, 0xFD])
    return code.ljust(510, b"\0") + b"\x55\xaa"


def probe_argv(disk: Path, accel: str, cpu: str) -> list[str]:
    """QEMU on the probe's boot sector."""
    return [
        *(QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-machine", "pc", "-accel", accel, "-cpu", cpu, "-m", "64"),
        *("-device", f"isa-debug-exit,iobase={_EXIT_PORT:#x},iosize=1"),
        *("-drive", f"file={disk},format=raw,if=ide,snapshot=on"),
    ]


def probe_kvm(device: Path = Path("/dev/kvm")) -> Accelerator:
    """Boot the probe under KVM with the CPU that a measurement would use."""
    if not device.exists():
        return Accelerator(works=False, reason=f"{device} does not exist")
    with scratch() as folder:
        disk = folder / "probe.img"
        disk.write_bytes(probe_sector())
        return judge_probe(disk)


def judge_probe(disk: Path, accel: str = "kvm", cpu: str = "host") -> Accelerator:
    """Boot the sector in ``disk`` and say whether the guest reached its last instruction."""
    try:
        done = proc.run(probe_argv(disk, accel, cpu), timeout=PROBE_TIMEOUT_S, check=False)
    except proc.CommandError:
        return _broken(accel, f"no boot sector ran within {PROBE_TIMEOUT_S:g} s")
    if done.returncode == PROBE_EXIT_STATUS:
        return Accelerator(works=True, reason=f"a {accel} guest ran the probe's boot sector")
    # As a shell has it: 128 and the number of the signal.
    status = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return _broken(accel, f"QEMU ended with status {status}", proc.tail(done.stderr, 1))


def _broken(accel: str, how: str, detail: str = "") -> Accelerator:
    reason = f"{accel.upper()} does not run a guest here ({how})"
    return Accelerator(works=False, reason=reason, detail=detail)
