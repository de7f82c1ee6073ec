# SPDX-License-Identifier: GPL-2.0-only
"""Which CPUs vCPUs get, on machines that a test makes up; and real threads that are pinned."""

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.targets.qemu.pinning import Pinner, choose, numbers, told


@pytest.mark.parametrize(
    ("text", "found"),
    [("0", (0,)), ("0,4", (0, 4)), ("0-2,5", (0, 1, 2, 5)), ("", ()), ("x", ()), ("1-", (1,))],
)
def test_lists_of_the_kernel(text: str, found: tuple[int, ...]) -> None:
    assert numbers(text) == found


def machine(siblings: dict[int, str], isolated: str = "") -> dict[str, str]:
    files = {
        f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": text
        for cpu, text in siblings.items()
    }
    return {**files, "/sys/devices/system/cpu/isolated": isolated}


TWO_THREADS = {0: "0,4", 1: "1,5", 2: "2,6", 3: "3,7", 4: "0,4", 5: "1,5", 6: "2,6", 7: "3,7"}


@pytest.mark.parametrize(
    ("vcpus", "allowed", "isolated", "cpus"),
    [
        (2, range(8), "", (0, 1)),
        (4, range(8), "", (0, 1, 2, 3)),
        (5, range(8), "", ()),  # four cores
        (2, range(8), "2-3,6-7", (2, 3)),
        (3, range(8), "2-3,6-7", (2, 3, 0)),
        (2, (0, 4), "", ()),  # two threads of one core
        (2, (0, 1), "2-3", (2, 3)),  # a task's own CPUs leave out the isolated ones
    ],
)
def test_no_two_vcpus_share_a_core(
    vcpus: int, allowed: range | tuple[int, ...], isolated: str, cpus: tuple[int, ...]
) -> None:
    files = machine(TWO_THREADS, isolated)
    assert choose(vcpus, allowed, lambda path: files.get(path, "")) == cpus


@given(vcpus=st.integers(1, 9), allowed=st.sets(st.integers(0, 7)))
def test_all_or_none(vcpus: int, allowed: set[int]) -> None:
    files = machine(TWO_THREADS)
    cpus = choose(vcpus, allowed, lambda path: files.get(path, ""))
    assert len(cpus) in (0, vcpus)
    assert len({TWO_THREADS[cpu] for cpu in cpus}) == len(cpus)


def test_a_machine_that_does_not_tell_its_cores() -> None:
    assert choose(2, (3, 5), lambda _: "") == (3, 5)


def test_where_they_run_is_told() -> None:
    assert told(4096) == "not pinned: fewer than 4096 cores"
    assert told(1).isdecimal()


def test_threads_are_pinned_by_their_names_as_they_come() -> None:
    """Of this process, named as QEMU names its own."""
    stop, named = threading.Event(), threading.Event()

    def vcpu() -> None:
        Path("/proc/thread-self/comm").write_text("CPU 0/TCG")
        named.set()
        stop.wait()

    before = os.sched_getaffinity(0)
    cpu = max(before)
    pinner = Pinner(os.getpid(), (cpu,))
    pinner.look()  # nobody is there yet
    thread = threading.Thread(target=vcpu)
    thread.start()
    named.wait()
    try:
        pinner.look()
        assert thread.native_id is not None
        assert os.sched_getaffinity(thread.native_id) == {cpu}
        assert os.sched_getaffinity(0) == before
    finally:
        stop.set()
        thread.join()


def test_a_process_that_has_ended_is_no_error() -> None:
    Pinner(2**22 + 1, (0,)).look()
