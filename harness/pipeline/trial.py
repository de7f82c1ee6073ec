# SPDX-License-Identifier: GPL-2.0-only
"""One trial: payload, target, end, decoded output, readings, record.

Whatever goes wrong inside is a failed record with its reason and the console's last
lines, never a number and never an exception; only interruption and errors that concern
the whole run (a full disk, no QEMU) leave this module as exceptions.
"""

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.counters import events, perf
from harness.counters import readings as counted_readings
from harness.counters.events import Event
from harness.counters.host_perf import HostCounts
from harness.errors import DataError, TrialError
from harness.guest import console
from harness.guest.agent.wire import WireError
from harness.guest.decoded import Decoded, decode
from harness.metrics.undeclared import undeclared_notes
from harness.model.reading import Reading, Source, Status, unknown
from harness.model.records import SCHEMA_VERSION, Failure, TrialRecord, TrialStatus
from harness.model.specs import TrialSpec
from harness.pipeline import fit
from harness.pipeline.payload import trial_payload
from harness.pipeline.prepare import Prepared
from harness.scratch import scratch
from harness.store import folder_errors
from harness.store.provenance import iso, now
from harness.targets import trial_files
from harness.targets.target import FLOOD, INTERRUPTED, Ended, Target

CONSOLE_TAIL = 20


class Interrupted(Exception):
    """The user ended the run while this trial was under way."""


@dataclass(frozen=True, kw_only=True)
class TrialContext:
    """What a trial is run with beside its spec."""

    target: Target
    prepared: Prepared
    raw: Path  # folder for its raw output
    # What perf counts, in sets that each fit the counters: the trial is run once for each.
    perf_sets: tuple[tuple[Event, ...], ...] = ()
    trace: bool = False  # keep the model's page trace
    say: Callable[[str], None] = field(default=lambda _: None)
    should_stop: Callable[[], bool] = field(default=lambda: False)


def run_trial(spec: TrialSpec, context: TrialContext) -> TrialRecord:
    """Run ``spec`` and return its record. Raises Interrupted, and errors of the whole run."""
    started, began = iso(now()), time.monotonic()
    workload, _ = context.prepared.frozen.workloads[spec.workload]
    kernel = context.prepared.kernels[spec.variant]
    if reason := fit.unfit(kernel, workload, spec.pti):
        return failed_record(spec, Failure(kind="kernel", message=reason), started)
    first, *others = context.perf_sets or ((),)
    record = _passed(spec, context, first)
    for number, asked in enumerate(others, 2):
        if record.status is TrialStatus.OK:
            again = replace(context, raw=context.raw / f"pass-{number}")
            record = with_pass(record, _passed(spec, again, asked), asked)
    return replace(
        record,
        notes=(*record.notes, *undeclared_notes(record.readings, workload.readings)),
        started=started,
        wall_seconds=round(time.monotonic() - began, 3),
    )


def _passed(spec: TrialSpec, context: TrialContext, asked: tuple[Event, ...]) -> TrialRecord:
    """The record of ``spec`` run once, with ``asked`` counted by perf."""
    with scratch() as work:
        ended = _ended(spec, context, work, asked)
        with folder_errors(context.raw):
            trial_files.keep(ended, context.raw)
    return record_of(spec, ended, asked)


def with_pass(first: TrialRecord, other: TrialRecord, asked: tuple[Event, ...]) -> TrialRecord:
    """The record ``first`` with what perf counted of ``asked`` when the trial was run again.

    What was not counted then is unknown, with the reason.
    """
    counted = [r for r in other.readings if r.source is Source.PERF]
    if other.status is not TrialStatus.OK:
        why = other.failure.message if other.failure else "no reason given"
        counted = [
            unknown(
                event.reading, event.unit, Source.PERF, Status.FAILED,
                f"the trial's further pass failed: {why}",
                {"window": label, "origin": "all"},
            )
            for event in asked
            for label in first.windows.values()
        ]  # fmt: skip
    names = ", ".join(event.reading for event in asked)
    note = f"the counters cannot count all at once: {names} counted when the trial was run again"
    return replace(first, readings=(*first.readings, *counted), notes=(*first.notes, note))


def _ended(spec: TrialSpec, context: TrialContext, work: Path, asked: tuple[Event, ...]) -> Ended:
    payload = replace(
        trial_payload(spec, context.prepared, perf.requested(asked), context.trace, work),
        on_progress=context.say,
        should_stop=context.should_stop,
    )
    with folder_errors(context.raw):
        context.raw.mkdir(parents=True, exist_ok=True)
    with folder_errors(work):
        ended = context.target.run(payload)
    if ended.stopped == INTERRUPTED:
        raise Interrupted
    return ended


def record_of(spec: TrialSpec, ended: Ended, asked: tuple[Event, ...] | None = None) -> TrialRecord:
    """The record of a trial that ended so: its readings, or why it has none.

    ``asked``: what perf was asked for; None: all events of this machine's CPU.
    """
    asked = events.of_host() if asked is None else asked
    decoded = outcome(ended)
    if isinstance(decoded, Decoded):
        try:
            return _record(spec, ended, decoded, asked)
        except (TrialError, DataError) as error:
            decoded = Failure(kind="self_check", message=str(error))
        except Exception as error:  # what a guest sends must never lose the other trials
            at = traceback.extract_tb(error.__traceback__)[-1]
            why = f"{type(error).__name__}: {error} ({Path(at.filename).name}:{at.lineno})"
            decoded = Failure(kind="self_check", message=_shortened(why))
    tail = tuple(console.tail(ended.text, CONSOLE_TAIL))
    return failed_record(spec, replace(decoded, console_tail=tail))


def failed_record(
    spec: TrialSpec, failure: Failure, started: str = "", wall_seconds: float = 0.0
) -> TrialRecord:
    """The record of a trial without a result."""
    return TrialRecord(
        schema=SCHEMA_VERSION,
        trial=spec.id,
        spec=spec,
        status=TrialStatus.FAILED,
        failure=failure,
        started=started,
        wall_seconds=wall_seconds,
    )


def outcome(ended: Ended) -> Decoded | Failure:
    """What the guest sent, or how it failed."""
    text = ended.text
    verdict = console.worst(text)
    if verdict is not None:
        return Failure(kind=verdict.kind, message=console.explained(verdict.line, text))
    if not text.strip() and not ended.returncode:
        how = ended.stopped or "the guest ended by itself"
        return Failure(kind="silent", message=f"{console.SILENT} ({how})")
    if ended.stopped:
        kind = "flood" if ended.stopped.startswith(FLOOD) else "hang"
        return Failure(kind=kind, message=console.explained(ended.stopped, text))
    try:
        decoded = decode(ended.channel)
    except WireError as error:
        return Failure(kind="protocol", message=str(error))
    if decoded.done is None:
        return _lost(ended)
    if decoded.done.status != "ok":
        reason = decoded.done.reason or "no reason given"
        return Failure(kind=decoded.done.kind or "agent", message=reason)
    return decoded


def _lost(ended: Ended) -> Failure:
    """A guest that never said that it was done."""
    if options := console.lacks(ended.text):
        why = f"the agent could not run: build this kernel with {options}"
        return Failure(kind="kernel", message=why)
    stderr = (ended.stderr.strip().splitlines() or [""])[-1]
    why = f"it ended with status {ended.returncode} and never said it was done. {stderr}"
    return Failure(kind="lost", message=why)


def _record(
    spec: TrialSpec, ended: Ended, decoded: Decoded, asked: tuple[Event, ...]
) -> TrialRecord:
    """The record of a trial that ended well. Raises TrialError, DataError."""
    raw = counted_readings.RawTrial(
        decoded=decoded,
        report=ended.report,
        perf_events=asked,
        host=HostCounts(output=ended.host_counts, opened_s=ended.opened_s),
    )
    made = counted_readings.of_trial(spec, raw)
    wall = Reading(
        name="trial.wall_seconds", value=round(ended.seconds, 3), unit="s", source=Source.HOST
    )
    return TrialRecord(
        schema=SCHEMA_VERSION,
        trial=spec.id,
        spec=spec,
        status=TrialStatus.OK,
        readings=(*made.readings, wall),
        windows=made.windows,
        sites=made.sites,
        text_pages=made.text_pages,
        notes=(*decoded.notes, *made.notes),
        taints=tuple(console.taints(ended.text)),
        verdicts=decoded.verdicts,
    )


def _shortened(text: str) -> str:
    return " ".join(text.split())[:500]
