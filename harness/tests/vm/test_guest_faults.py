# SPDX-License-Identifier: GPL-2.0-only
"""Guests that go wrong in every way that a workload can make them: each is a failed record with
its reason, and the others are not harmed."""

import os
from pathlib import Path

import psutil
import pytest

from harness.model.records import TrialRecord, TrialStatus
from harness.pipeline import Progress, RunRequest, run
from harness.scratch import PREFIX, ROOT
from harness.store import load_run
from harness.targets.qemu import session

pytestmark = [pytest.mark.vm, pytest.mark.long]

HERE = Path(__file__).parent / "guests" / "misbehaves"
FLOOD = 1 << 20
"""Bytes after which a console is a flood, here; gigabytes would take a day of emulated UART."""


EXPECTED = {
    "nothing": ("", ""),
    "init_ends": ("panic", "Attempted to kill init!"),
    "out_of_memory": ("out_of_memory", "Out of memory: Killed process"),
    "reset": ("lost", "never said it was done"),
    "power_off": ("lost", "never said it was done"),
    "forged_frame": ("protocol", "wrong checksum"),
    "forged_end": ("protocol", "are missing"),
    "junk": ("protocol", "is not a frame"),
    "flood": ("flood", "too much output: more than"),
    "warning": ("", ""),
    "endless_loop": ("hang", "timed out after"),
}
"""Fault -> kind of the failure and words of its message, "" where the trial ends well."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose seeds go through all faults."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(session, "CONSOLE_BYTES", FLOOD)
        request = RunRequest(
            kernels="bpf_prog_pack",
            workload=str(HERE),
            seeds=tuple(range(1, len(EXPECTED) + 1)),
            settings={"pti": ("on",)},
            params={"faults": ",".join(EXPECTED)},
            out=tmp_path_factory.mktemp("results"),
        )
        return run(request, Progress()).path


@pytest.fixture(scope="module")
def records(results: Path) -> dict[str, TrialRecord]:
    """By fault."""
    found = load_run(results).records
    return {fault: found[seed] for seed, fault in enumerate(EXPECTED)}


@pytest.mark.parametrize("fault", EXPECTED)
def test_each_fault_has_its_name_and_the_others_are_not_harmed(
    records: dict[str, TrialRecord], fault: str
) -> None:
    record, (kind, words) = records[fault], EXPECTED[fault]
    if not kind:
        assert record.status is TrialStatus.OK, record.failure
        assert any(reading.name == "itlb.walks" for reading in record.readings)
        return
    assert record.failure is not None
    assert record.failure.kind == kind, record.failure
    assert words in record.failure.message
    assert record.failure.console_tail
    assert record.readings == ()


def test_what_the_kernel_warns_of_is_told(records: dict[str, TrialRecord]) -> None:
    assert any("WARNING: CPU: 0" in taint for taint in records["warning"].taints or ())
    assert records["nothing"].taints == ()


def test_the_console_is_kept(records: dict[str, TrialRecord], results: Path) -> None:
    for fault, record in records.items():
        console = (results / "raw" / record.trial / "console.log").read_bytes()
        assert b"Linux version" in console, fault
        assert len(console) < 2 * FLOOD or fault == "flood"


def test_nothing_is_left(records: dict[str, TrialRecord]) -> None:
    assert len(records) == len(EXPECTED)
    running = [p.name() for p in psutil.Process().children(recursive=True)]
    assert [name for name in running if "qemu" in name] == []
    assert list(ROOT.glob(f"{PREFIX}{os.getpid()}-*")) == []
