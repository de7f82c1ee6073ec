# SPDX-License-Identifier: GPL-2.0-only
"""Events that the kernel counts itself, through the path that hardware events take."""

from pathlib import Path

import pytest

from harness.counters import events
from harness.counters.events import Event
from harness.counters.perf_stat_parser import Row, State, matched, parse_json
from harness.guest.decoded import decode
from harness.model.reading import Status
from harness.model.records import TrialRecord, TrialStatus
from harness.pipeline import Progress, RunRequest, run
from harness.store import load_run
from harness.targets import trial_files

pytestmark = pytest.mark.vm

ASKED = (
    Event(name="context-switches", reading="context_switches"),
    Event(name="sched:sched_switch", reading="tlb.flush"),
    Event(name="page-faults", reading="tlb.local_flush_one"),
    Event(name="r0285", reading="itlb.walk_completed_4k"),
)
"""Readings that have a unit stand for what the catalogue has none of: a trial asks for none of
the two, whose tracing would run more kernel text."""


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrialRecord, Path]:
    out = tmp_path_factory.mktemp("results")
    request = RunRequest(
        suite="smoke",
        kernels="bpf_prog_pack",
        settings={"counters": "perf", "mode": "exact"},
        params={"instances": 2, "window_s": 0.3},
        out=out,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "of_host", lambda: ASKED)
        loaded = load_run(run(request, Progress()).path)
    (record,) = loaded.records
    assert record.status is TrialStatus.OK, record.failure
    return record, out / loaded.manifest.run / "raw" / record.trial


@pytest.fixture(scope="module")
def rows(trial: tuple[TrialRecord, Path]) -> dict[str, Row]:
    output = decode(trial_files.read(trial[1]).channel).files["perf/stat.json"].decode()
    asked = [event.name for event in ASKED]
    found = matched(parse_json(output.splitlines()), asked)
    return {name: row for name, (row,) in zip(asked, found, strict=True)}


def test_software_and_tracepoint_events_are_counted(rows: dict[str, Row]) -> None:
    for name in ("context-switches", "sched:sched_switch", "page-faults"):
        assert rows[name].state is State.COUNTED
        assert (rows[name].value or 0) > 0
        assert rows[name].running_percent == 100


def test_two_ways_to_count_switches_agree(rows: dict[str, Row]) -> None:
    """The software event and the tracepoint stand in the same function of the scheduler; the two
    are opened one after the other, on one CPU after the other."""
    software, traced = rows["context-switches"].value, rows["sched:sched_switch"].value
    assert software is not None
    assert traced == pytest.approx(software, abs=20, rel=0.1)


def test_a_hardware_event_beside_them_is_not_supported(
    trial: tuple[TrialRecord, Path], rows: dict[str, Row]
) -> None:
    assert rows["r0285"].state is State.NOT_SUPPORTED
    perf = {r.name: r for r in trial[0].readings if r.source == "perf"}
    assert perf["itlb.walk_completed_4k"].status is Status.NOT_SUPPORTED
    assert perf["context_switches"].value == rows["context-switches"].value
