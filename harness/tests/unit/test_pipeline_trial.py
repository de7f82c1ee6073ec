# SPDX-License-Identifier: GPL-2.0-only
"""How a trial's guest failed, from what it left: console, channel, QEMU's end."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.config import definitions
from harness.guest.agent import wire
from harness.guest.agent.channel import Channel
from harness.guest.decoded import Decoded
from harness.model.records import Failure
from harness.pipeline.payload import trial_document
from harness.pipeline.trial import outcome
from harness.targets.target import FLOOD, Ended
from harness.tests.golden import DATA
from harness.tests.unit.synthetic_runs import spec

HEALTHY = (DATA / "trial" / "console.log").read_text(errors="replace")


def ended(returncode: int | None = 0, stopped: str = "", stderr: str = "") -> Ended:
    return Ended(console=b"", channel=b"", returncode=returncode, stopped=stopped, stderr=stderr)


def guest_output(how: Ended, text: str, channel: bytes) -> Decoded | tuple[str, str]:
    """The outcome of a guest with that console and channel: a failure as kind and message."""
    found = outcome(replace(how, console=text.encode(), channel=channel))
    return (found.kind, found.message) if isinstance(found, Failure) else found


def captured(symptom: str) -> str:
    return (DATA / "guest" / f"lacks-{symptom}.log").read_text(errors="replace")


def channel(tmp_path: Path, done: wire.Done) -> bytes:
    path = tmp_path / "channel"
    path.touch()
    sender = Channel(str(path))
    sender.record(wire.Windows(windows=(wire.Window(number=1, label="measured", ns=5),)))
    sender.done(done)
    sender.close()
    return path.read_bytes()


def test_a_guest_that_said_that_it_is_done(tmp_path: Path) -> None:
    output = guest_output(ended(), HEALTHY, channel(tmp_path, wire.Done(status="ok")))
    assert isinstance(output, Decoded)


def test_the_agent_names_the_kind(tmp_path: Path) -> None:
    done = wire.Done(status="failed", kind="kernel", reason="this kernel has no JIT")
    assert guest_output(ended(), HEALTHY, channel(tmp_path, done)) == (
        "kernel",
        "this kernel has no JIT",
    )


@pytest.mark.parametrize(
    ("result", "how"),
    [
        (ended(None, "nothing written after 180 s of wall time"), "nothing written after 180 s"),
        (ended(), "the guest ended by itself"),
    ],
)
def test_a_silent_console_is_its_own_kind(result: Ended, how: str) -> None:
    failure = guest_output(result, "\n", b"")
    assert isinstance(failure, tuple)
    kind, message = failure
    assert kind == "silent"
    assert message.startswith("no line on ttyS0: build it with CONFIG_TTY=y")
    assert "CONFIG_SERIAL_8250_CONSOLE=y" in message
    assert how in message


def test_a_silent_console_makes_no_result(tmp_path: Path) -> None:
    """What the kernel complained of is not known then."""
    failure = guest_output(ended(), "", channel(tmp_path, wire.Done(status="ok")))
    assert isinstance(failure, tuple)
    assert failure[0] == "silent"


def test_qemu_that_did_not_start_is_no_silent_kernel() -> None:
    failure = guest_output(ended(1, stderr="qemu: invalid kernel header\n"), "", b"")
    assert isinstance(failure, tuple)
    kind, message = failure
    assert kind == "lost"
    assert "invalid kernel header" in message


def test_no_end_stays_a_hang() -> None:
    stopped = "timed out after 1800 s of wall time; killed"
    assert guest_output(ended(None, stopped), HEALTHY, b"") == ("hang", stopped)


def test_no_end_of_output_is_a_flood() -> None:
    stopped = f"{FLOOD}more than 67108864 bytes in console.log"
    assert guest_output(ended(None, stopped), HEALTHY, b"") == ("flood", stopped)


@pytest.mark.parametrize(
    ("symptom", "kind", "option"),
    [
        ("initramfs", "no_init", "CONFIG_BLK_DEV_INITRD=y"),
        ("script", "panic", "CONFIG_BINFMT_SCRIPT=y"),
    ],
)
def test_the_console_tells_what_the_kernel_lacks(symptom: str, kind: str, option: str) -> None:
    failure = guest_output(ended(), captured(symptom), b"")
    assert isinstance(failure, tuple)
    assert failure[0] == kind
    assert option in failure[1]


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        (["init: no devtmpfs", "init: no ttyS1"], ["CONFIG_DEVTMPFS=y", "CONFIG_SERIAL_8250=y"]),
        (["init: no proc"], ["CONFIG_PROC_FS=y"]),
        (["init: no tmpfs", "init: no tmpfs"], ["CONFIG_SHMEM=y and CONFIG_TMPFS=y"]),
    ],
)
def test_what_the_first_program_could_not_do(lines: list[str], options: list[str]) -> None:
    failure = guest_output(ended(), "\n".join([HEALTHY, *lines, ""]), b"")
    assert isinstance(failure, tuple)
    kind, message = failure
    assert kind == "kernel"
    assert message.startswith("the agent could not run: build this kernel with ")
    assert [message.count(option) for option in options] == [1] * len(options)


def test_what_init_could_not_mount_is_no_failure_by_itself(tmp_path: Path) -> None:
    text = HEALTHY + "init: no debugfs\ninit: no devpts\n"
    output = guest_output(ended(), text, channel(tmp_path, wire.Done(status="ok")))
    assert isinstance(output, Decoded)


def test_what_readings_are_called_is_not_in_the_guest() -> None:
    """Another title must not move anything in the guest's memory."""
    workload, _ = definitions.workload("churn")
    assert workload.readings
    plain = replace(workload, readings=())
    assert trial_document(spec(), workload, ()) == trial_document(spec(), plain, ())
