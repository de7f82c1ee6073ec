# SPDX-License-Identifier: GPL-2.0-only
"""What a replayed trial keeps of the recorded one."""

from dataclasses import replace

import pytest

from harness.counters import events
from harness.counters import readings as counted
from harness.guest.decoded import Decoded
from harness.model.reading import Source
from harness.model.records import TrialRecord, TrialStatus
from harness.model.trial_settings import Counters
from harness.pipeline.replaying import replayed
from harness.tests.unit import captured_trials as captured

SPEC = captured.spec(Counters.BOTH)
SKYLAKE = events.Cpu(vendor=events.INTEL, family=6, model=0x55)
ZEN = events.Cpu(vendor=events.AMD, family=0x17, model=0x31)
UNKNOWN_CPU = events.Cpu(vendor=events.INTEL, family=6, model=0x01)


def perf_lines(asked: tuple[events.Event, ...]) -> bytes:
    """What ``perf stat -j`` writes for ``asked``: 100, 101, ... of each."""
    line = '{"counter-value" : "%d.000000", "unit" : "", "event" : "%s", "event-runtime" : 9, '
    line += '"pcnt-running" : 100.00}\n'
    return "".join(line % (100 + n, e.name) for n, e in enumerate(asked) if e.name).encode()


def recorded(cpu: events.Cpu) -> tuple[TrialRecord, Decoded, bytes]:
    """The trial as a machine with ``cpu`` would have recorded it, with perf beside the model."""
    asked = events.for_cpu(cpu)
    raw = captured.trial("upstream")
    assert raw.report is not None
    decoded = replace(
        raw.decoded,
        files={**raw.decoded.files, "perf/stat.json": perf_lines(asked)},
        perf_status=0,
    )
    trial = counted.of_trial(SPEC, replace(raw, decoded=decoded, perf_events=asked))
    record = TrialRecord(
        schema=1, trial=SPEC.id, spec=SPEC, status=TrialStatus.OK, readings=trial.readings
    )
    return record, decoded, raw.report


@pytest.mark.parametrize("cpu", [SKYLAKE, ZEN, UNKNOWN_CPU], ids=["skylake", "zen", "unknown"])
def test_perfs_readings_are_the_recorded_ones(cpu: events.Cpu) -> None:
    record, decoded, report = recorded(cpu)
    before = [r for r in record.readings if r.source is Source.PERF]
    assert any(r.value is not None and r.value >= 100 for r in before)
    after = replayed(replace(SPEC, profile="zen2"), record, decoded, report, "a-run")
    assert [r for r in after.readings if r.source is Source.PERF] == before
    assert {r.key for r in after.readings} == {r.key for r in record.readings}
    assert len({r.key for r in after.readings}) == len(after.readings)
    assert after.spec.profile == "zen2"
    assert after.notes == ("model replayed from the trace of a-run",)
