# SPDX-License-Identifier: GPL-2.0-only
"""Symptoms on a console are recognised, and a healthy console shows none."""

import pytest

from harness.guest import console
from harness.tests.golden import DATA

HEALTHY = (DATA / "trial" / "console.log").read_text(errors="replace")

CAPTURED = {path.stem.removeprefix("console-"): path for path in DATA.glob("guest/console-*.log")}


def test_healthy_console() -> None:
    assert console.worst(HEALTHY) is None
    assert console.taints(HEALTHY) == []


@pytest.mark.parametrize("symptom", sorted(CAPTURED))
def test_captured_symptom(symptom: str) -> None:
    """The file's name is the verdict."""
    verdict = console.worst(CAPTURED[symptom].read_text(errors="replace"))
    assert verdict is not None
    assert verdict.kind == symptom.replace("-", "_")
    assert verdict.line


def test_there_are_captures() -> None:
    assert {"panic", "no-init", "initramfs", "out-of-memory"} <= set(CAPTURED)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Kernel panic - not syncing: No working init found.  Try passing init= option", "no_init"),
        ("Kernel panic - not syncing: Requested init /init failed (error -2).", "no_init"),
        ("BUG: unable to handle page fault for address: ffffffffc0001000", "oops"),
        ("general protection fault, probably for non-canonical address 0xdead: 0000 [#1]", "oops"),
        ("int3: 0000 [#1] PREEMPT SMP NOPTI", "oops"),
        ("BUG: Bad page state in process bench  pfn:1000", "oops"),
        ("watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [bench:100]", "lockup"),
        ("BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!", "lockup"),
        ("rcu: INFO: rcu_sched self-detected stall on CPU", "lockup"),
        ("rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "lockup"),
        ("INFO: task bench:100 blocked for more than 120 seconds.", "hung_task"),
        ("BUG: KASAN: use-after-free in bpf_prog_free+0x10/0x20", "kasan"),
        ("BUG: KFENCE: use-after-free read in f+0x1/0x2", "kasan"),
        ("BUG: scheduling while atomic: bench/100/0x00000002", "lockdep"),
        ("BUG: spinlock bad magic on CPU#0, bench/100", "lockdep"),
        ("list_add double add: new=ffff888001, prev=ffff888002, next=ffff888001.", "list"),
        ("WARNING: possible circular locking dependency detected", "lockdep"),
        ("list_del corruption, ffff888001 ->next is LIST_POISON1", "list"),
        ("x86/mm: Checked W+X mappings: FAILED, 1 W+X pages found.", "write_execute"),
    ],
)
def test_messages_of_the_kernel(line: str, kind: str) -> None:
    verdict = console.worst(HEALTHY + f"[   12.345678] {line}\n")
    assert verdict == console.Verdict(kind, line)


def test_the_caller_after_the_time_is_no_part_of_the_line() -> None:
    text = "[    1.000000][    T1] WARNING: CPU: 0 PID: 1 at kernel/bpf/core.c:1 f+0x1/0x2\n"
    assert console.taints(text) == ["WARNING: CPU: 0 PID: 1 at kernel/bpf/core.c:1 f+0x1/0x2"]


def test_tail_is_the_last_lines_that_say_something() -> None:
    assert console.tail("[ 1.0] a\r\n\n[ 2.0] b\r\n[ 3.0] c\r\n\n", 2) == ["b", "c"]


def test_the_cause_outranks_the_panic_that_follows() -> None:
    text = "[ 1.0] BUG: unable to handle page fault\n[ 1.1] Kernel panic - not syncing: Fatal\n"
    verdict = console.worst(text)
    assert verdict is not None
    assert verdict.kind == "oops"


def test_a_warning_taints_once() -> None:
    text = "[ 1.0] WARNING: CPU: 0 PID: 1 at kernel/bpf/core.c:1 f+0x1/0x2\n" * 2
    assert console.worst(text) is None
    assert len(console.taints(text)) == 1


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_watcher_finds_a_panic_in_pieces(piece: int) -> None:
    data = (
        b"[ 1.0] fine\r\n[ 2.0] Kernel panic - not syncing: Attempted to kill init!\r\n[ 2.1] x\n"
    )
    watch = console.Watcher()
    found = [watch(data[at : at + piece]) for at in range(0, len(data), piece)]
    assert [text for text in found if text] == [
        "Kernel panic - not syncing: Attempted to kill init!"
    ]
