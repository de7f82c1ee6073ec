# SPDX-License-Identifier: GPL-2.0-only
"""perf's intervals on the host as readings of a window that the host saw open."""

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import proc
from harness.counters import events, host_perf
from harness.counters.events import Event
from harness.counters.host_perf import LATE_S, HostCounts, within
from harness.counters.perf_stat_parser import Row, State
from harness.errors import DataError
from harness.model.reading import Reading, Status
from harness.targets.qemu import host_counting
from harness.targets.qemu.pinning import vcpu_threads

WALKS = Event(name="r0285", reading=events.WALK_4K, vendor_name="itlb_misses.walk_completed_4k")


def line(interval: float, value: str, percent: float = 100.0, event: str = "r0285:G") -> str:
    return json.dumps(
        {
            "interval": interval,
            "counter-value": value,
            "unit": "",
            "event": event,
            "event-runtime": 0 if value.startswith("<") else 100_000_000,
            "pcnt-running": percent,
        }
    )


def counted(lines: list[str], opened_s: float | None = 2.0, seconds: float = 3.0) -> Reading:
    output = "# started on Fri Nov 27\n\n" + "\n".join(lines)
    (reading,) = host_perf.readings(
        HostCounts(output=output.encode(), opened_s=opened_s), "measured", seconds, [WALKS]
    )
    return reading


def steady(value: str = "50", until: int = 80) -> list[str]:
    return [line(tenth / 10, value) for tenth in range(1, until)]


def test_a_steady_load_is_counted_right_and_never_called_complete() -> None:
    reading = counted(steady())
    assert reading.value == pytest.approx(500 * 3.0)
    assert reading.status is Status.SCALED
    assert reading.reason == "counted on the host in 2.0 s of the window's 3.0 s"
    assert reading.labels == {"window": "measured", "origin": "all"}


def test_what_is_outside_the_window_does_not_count() -> None:
    """Loading before it is another load."""
    busy = [line(t / 10, "1000000" if t <= 20 or t > 50 else "50") for t in range(1, 80)]
    assert counted(busy).value == pytest.approx(1500)


@given(
    st.lists(st.floats(min_value=0.01, max_value=0.5), min_size=1, max_size=60),
    st.floats(min_value=0, max_value=10),
    st.floats(min_value=0, max_value=10),
)
def test_intervals_lie_within(lengths: list[float], first: float, length: float) -> None:
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    rows = [
        Row(
            line=1, event="e", value=1.0, unit="", state=State.COUNTED, runtime_ns=1,
            running_percent=100.0, interval=end,
        )
        for end in ends
    ]  # fmt: skip
    inside = within(rows, first, first + length)
    for end, taken in inside.items():
        assert end <= first + length
        assert end - taken >= first - 1e-9
    assert sum(inside.values()) <= length + 1e-6


@pytest.mark.parametrize(
    ("lines", "opened_s", "seconds", "status", "reason"),
    [
        ([], 2.0, 3.0, Status.NOT_COUNTED, "no interval of perf lies in the window's 3 s"),
        (steady(), None, 3.0, Status.FAILED, "the host did not see the window open"),
        (steady(), 2.0, 2 * LATE_S, Status.NOT_COUNTED, "no interval of perf lies"),
        (steady(until=10), 2.0, 3.0, Status.NOT_COUNTED, "no interval of perf lies"),
        (steady("<not supported>"), 2.0, 3.0, Status.NOT_SUPPORTED, "<not supported> itlb_misses"),
        (
            [*steady()[:30], line(3.1, "<not counted>"), *steady()[31:]],
            2.0, 3.0, Status.NOT_COUNTED, "1 of 20 intervals without a count",
        ),
    ],
)  # fmt: skip
def test_what_was_not_counted_is_never_a_number(
    lines: list[str], opened_s: float | None, seconds: float, status: Status, reason: str
) -> None:
    reading = counted(lines, opened_s, seconds)
    assert (reading.value, reading.status) == (None, status)
    assert reason in reading.reason


def test_perf_that_left_nothing() -> None:
    (reading,) = host_perf.readings(HostCounts(), "measured", 3.0, [WALKS])
    assert (reading.value, reading.reason) == (None, "perf on the host left no output")


def test_multiplexing_is_said_too() -> None:
    lines = [line(t / 10, "50", 75.0 if t == 30 else 100.0) for t in range(1, 80)]
    assert counted(lines).reason.endswith("of the window's 3.0 s, 75 % of the time")


def test_output_that_cannot_be_trusted_is_refused() -> None:
    with pytest.raises(DataError, match=r"perf on the host: line 3: .*torn"):
        counted(['{"interval" : 0.1, torn'])


def test_the_guest_alone_is_counted() -> None:
    words = host_counting.argv(["r0285", "r0485"], 42, Path("out"))
    assert words[:5] == ["perf", "stat", "-I", "100", "-j"]
    assert words[words.index("-p") + 1] == "42"
    assert [words[i + 1] for i, word in enumerate(words) if word == "-e"] == ["r0285:G", "r0485:G"]


def test_the_window_opens_once_whatever_a_workload_says_later(tmp_path: Path) -> None:
    counting = host_counting.HostCounting(["r0285"], 1, tmp_path / "out")
    counting.opens()
    first = counting.opened_s
    counting.opens()
    assert counting.opened_s == first


LATE_VCPU = """
import threading, time
def vcpu():
    open("/proc/thread-self/comm", "w").write("CPU 0/KVM")
    time.sleep(60)
time.sleep(0.3)
threading.Thread(target=vcpu, daemon=True).start()
time.sleep({lives})
"""


def test_counting_begins_when_the_vcpus_are_there() -> None:
    """perf counts the threads that it finds: one that comes later may be in none of its counts."""
    with proc.start([sys.executable, "-c", LATE_VCPU.format(lives=60)]) as late:
        assert vcpu_threads(late.pid) == {}
        assert host_counting.vcpus_have_come(late.pid, 1)
        assert list(vcpu_threads(late.pid)) == [0]


def test_nothing_is_counted_of_a_qemu_without_its_vcpus(tmp_path: Path) -> None:
    """It counts nothing, instead of what other threads did."""
    with proc.start([sys.executable, "-c", "import time; time.sleep(60)"]) as none:
        assert not host_counting.vcpus_have_come(none.pid, 1, timeout_s=0.2)
    with proc.start([sys.executable, "-c", LATE_VCPU.format(lives=0)]) as short:
        assert not host_counting.vcpus_have_come(short.pid, 2)
        with host_counting.HostCounting(["r0285"], 1, tmp_path / "out").of(short.pid):
            assert short.poll() is not None
    assert not Path(tmp_path, "out").exists()
