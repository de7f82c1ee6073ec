# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that hang before there is an agent, with interrupts off: real images that QEMU boots."""

import re
import shutil
from pathlib import Path

import pytest

from harness.model.records import TrialRecord
from harness.model.trial_settings import Mode
from harness.pipeline import Progress, RunRequest, run
from harness.store import load_run
from harness.targets.qemu import session
from harness.tests.unit.test_kernel_bootimage import bzimage

pytestmark = pytest.mark.vm

HERE = Path(__file__).parent / "guests" / "misbehaves"
SILENT_S, HANG_S = 8.0, 15.0
JUMP = bytes((0xEB, 0x7E))  # over the header, to 0x280
OFF = bytes((0xFA, 0xEB, 0xFE))  # cli; itself for ever


def says(text: bytes) -> bytes:
    """Real-mode code that writes ``text`` to the first serial port."""
    port = bytes((0xBA, 0xF8, 0x03))  # mov dx, 0x3f8
    return port + b"".join(bytes((0xB0, byte, 0xEE)) for byte in text)  # mov al, byte; out dx, al


def image(folder: Path, name: str, code: bytes) -> Path:
    """A bzImage whose set-up code is ``code``."""
    data = bytearray(bzimage(bytes(64)))
    assert 0x280 + len(code) <= 0x300, "there is the version"
    data[0x200:0x202] = JUMP
    data[0x22C:0x230] = bytes((0xFF, 0xFF, 0xFF, 0x7F))  # the initramfs may be anywhere
    data[0x280 : 0x280 + len(code)] = code
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TrialRecord]:
    folder = tmp_path_factory.mktemp("boot")
    workload = Path(shutil.copytree(HERE, folder / HERE.name)) / "workload.toml"
    workload.write_text(re.sub(r"timeout_s = .*", f"timeout_s = {HANG_S}", workload.read_text()))
    kernels = {
        "silent": image(folder, "silent", OFF),
        "one-line": image(folder, "one-line", says(b"Linux\r\n") + OFF),
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(session, "SILENT_S", dict.fromkeys(Mode, SILENT_S))
        request = RunRequest(
            kernels=",".join(f"{name}={path}" for name, path in kernels.items()),
            workload=str(workload.parent),
            seeds=(1,),
            settings={"pti": ("on",)},
            out=folder / "results",
        )
        found = load_run(run(request, Progress(quiet=True)).path).records
    return {record.spec.variant: record for record in found}


def test_one_that_says_nothing(records: dict[str, TrialRecord]) -> None:
    failure = records["silent"].failure
    assert failure is not None
    assert failure.kind == "silent"


def test_one_that_stops_after_a_line(records: dict[str, TrialRecord]) -> None:
    failure = records["one-line"].failure
    assert failure is not None
    assert (failure.kind, failure.console_tail) == ("hang", ("Linux",))
