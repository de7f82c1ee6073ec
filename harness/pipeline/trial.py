# SPDX-License-Identifier: GPL-2.0-only
"""One trial: boot one kernel with one workload, and read everything it gave.

Whatever goes wrong inside is a failed record with its reason and the console's last
lines, never a number and never an exception; only interruption and errors that concern
the whole run (a full disk, no QEMU) leave this module as exceptions.
"""

import gzip
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from harness.counters import events
from harness.counters import readings as counted
from harness.counters.facts import calls
from harness.errors import DataError, TrialError
from harness.guest import console, protocol
from harness.image import build as image
from harness.itlb import build as itlb
from harness.kernel import Kernel
from harness.model import (
    SCHEMA_VERSION,
    Counters,
    Failure,
    Reading,
    Site,
    Source,
    TrialRecord,
    TrialSpec,
    TrialStatus,
    WorkloadSpec,
)
from harness.pipeline import fit
from harness.pipeline.prepare import Prepared, trial_layers
from harness.store import folder_errors
from harness.store.provenance import iso, now
from harness.vm.argv import VmRequest
from harness.vm.session import VmResult, boot

CONSOLE_TAIL = 20

SILENT_S = 180.0
"""A guest that has written nothing at all after this wall time never will: only unpacking the
kernel comes before its first line."""

TRACE = "itlb.trace"
"""A trial's page trace, in its raw folder."""


class Interrupted(Exception):
    """The user ended the run while this trial was under way."""


@dataclass(frozen=True, kw_only=True)
class TrialContext:
    """What a trial is run with beside its spec."""

    prepared: Prepared
    raw: Path  # folder for its raw output
    perf_events: tuple[str, ...] = ()
    trace: bool = False  # keep the model's page trace
    say: Callable[[str], None] = field(default=lambda _: None)
    should_stop: Callable[[], bool] = field(default=lambda: False)


def counts_by_model(spec: TrialSpec) -> bool:
    """Whether the trial runs under the iTLB model."""
    return spec.counters in (Counters.MODEL, Counters.BOTH)


def trial_document(spec: TrialSpec, workload: WorkloadSpec, perf_events: tuple[str, ...]) -> bytes:
    """``trial.json``: all that the agent is told."""
    document = {
        "spec": msgspec.to_builtins(spec),
        # asdict, since msgspec leaves out what a definition left at its default.
        "workload": asdict(workload),
        "perf_events": list(perf_events),
        # Kernel functions to look up for the model; without it nobody would count them.
        "calls": list(calls.SYMBOLS) if counts_by_model(spec) else [],
    }
    return json.dumps(document, sort_keys=True, indent=1).encode()


def run_trial(spec: TrialSpec, context: TrialContext) -> TrialRecord:
    """Run ``spec`` and return its record. Raises Interrupted, and errors of the whole run."""
    prepared, raw = context.prepared, context.raw
    workload, folder = prepared.frozen.workloads[spec.workload]
    kernel = prepared.kernels[spec.variant]
    started, began = iso(now()), time.monotonic()
    if reason := fit.unfit(kernel, workload, spec.pti):
        return TrialRecord(
            schema=SCHEMA_VERSION,
            trial=spec.id,
            spec=spec,
            status=TrialStatus.FAILED,
            failure=Failure(kind="kernel", message=reason),
            started=started,
        )
    with folder_errors(raw):
        raw.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="execmem-bench-", dir="/var/tmp") as temporary:
        work = Path(temporary)
        request = _request(spec, kernel, context, work)
        with folder_errors(work):
            layers = trial_layers(prepared, kernel, workload, work)
            document = trial_document(spec, workload, context.perf_events)
            layers.append(image.trial_layer(work / "trial.cpio", document, folder))
            image.join(layers, request.initrd)
        watch = console.Watcher()
        stream = protocol.Stream()

        def on_channel(grown: bytes) -> None:
            for line in stream.feed(grown):
                context.say(line)

        result = boot(
            request,
            timeout_s=workload.timeout_s,
            silent_s=SILENT_S,
            on_console=watch,
            on_channel=on_channel,
            should_stop=context.should_stop,
        )
        if result.stopped == "interrupted":
            raise Interrupted
        outcome = _judge(spec, result, request, work)
        with folder_errors(raw):
            _keep(work, raw)
    return TrialRecord(
        schema=SCHEMA_VERSION,
        trial=spec.id,
        spec=spec,
        status=TrialStatus.FAILED if outcome.failure else TrialStatus.OK,
        readings=outcome.readings,
        windows=outcome.windows,
        sites=outcome.sites,
        failure=outcome.failure,
        notes=outcome.notes,
        verdicts=outcome.verdicts,
        started=started,
        wall_seconds=round(time.monotonic() - began, 3),
    )


def _request(spec: TrialSpec, kernel: Kernel, context: TrialContext, work: Path) -> VmRequest:
    plugin = None
    if counts_by_model(spec):
        assert context.prepared.plugin is not None
        plugin = itlb.plugin_option(
            context.prepared.plugin.path,
            work / "itlb.json",
            context.prepared.frozen.profile,
            itlb.model_options(spec),
            trace=work / TRACE if context.trace else None,
        )
    return VmRequest(
        kernel=kernel.image,
        initrd=work / "initrd",
        mode=spec.mode,
        smp=spec.smp,
        memory_mib=spec.memory_mib,
        seed=spec.seed,
        pti=spec.pti,
        console=work / "console.log",
        channel=work / "channel.out",
        plugin=plugin,
        append=context.prepared.frozen.workloads[spec.workload][0].boot,
        kaslr=spec.kaslr,
    )


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    readings: tuple[Reading, ...] = ()
    windows: dict[str, str] = field(default_factory=dict)
    sites: tuple[Site, ...] = ()
    notes: tuple[str, ...] = ()
    verdicts: dict[str, str] = field(default_factory=dict)
    failure: Failure | None = None


def guest_output(
    result: VmResult, text: str, channel: bytes
) -> protocol.GuestOutput | tuple[str, str]:
    """What a guest with the console ``text`` gave, or how it failed: kind and message."""
    verdict = console.worst(text)
    if verdict is not None:
        return verdict.kind, console.explained(verdict.line, text)
    if not text.strip() and not result.returncode:
        return "silent", f"{console.SILENT} ({result.stopped or 'the guest ended by itself'})"
    if result.stopped:
        return "hang", console.explained(result.stopped, text)
    try:
        output = protocol.parse(channel)
    except protocol.ProtocolError as error:
        return "protocol", str(error)
    if output.done is None:
        if options := console.lacks(text):
            return "kernel", f"the agent could not run: build this kernel with {options}"
        stderr = (result.stderr.strip().splitlines() or [""])[-1]
        return (
            "lost",
            f"the guest ended (QEMU: {result.returncode}) and never said it was done. {stderr}",
        )
    if output.done.get("status") != "ok":
        return output.done.get("kind", "agent"), output.done.get("reason", "no reason given")
    return output


def _judge(spec: TrialSpec, result: VmResult, request: VmRequest, work: Path) -> _Outcome:
    """The readings of a trial that ended well, or why it did not."""
    text = _read(request.console).decode(errors="replace")
    tail = tuple(console.tail(text, CONSOLE_TAIL))

    def failed(kind: str, message: str) -> _Outcome:
        return _Outcome(failure=Failure(kind=kind, message=message, console_tail=tail))

    output = guest_output(result, text, _read(request.channel))
    if isinstance(output, tuple):
        return failed(*output)
    report = _read(work / "itlb.json") if request.plugin else None
    try:
        found = counted.of_trial(
            spec,
            counted.RawTrial(
                files=output.files,
                absent=output.absent,
                records=output.records,
                report=report,
                perf_events=events.of_host(),
            ),
        )
    except (TrialError, DataError) as error:
        return failed("self_check", str(error))
    notes = tuple(str(value) for name, value in output.records if name == "note")
    verdicts = {
        test: str(word)
        for name, value in output.records
        if name == "verdicts"
        for test, word in value.items()
    }
    wall = Reading(
        name="trial.wall_seconds", value=round(result.seconds, 3), unit="s", source=Source.HOST
    )
    return _Outcome(
        readings=(*found.readings, wall),
        windows=dict(found.windows),
        sites=found.sites,
        notes=(*notes, *found.notes, *console.notes(text)),
        verdicts=verdicts,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _keep(work: Path, raw: Path) -> None:
    """Move the trial's raw output to the run: console as it is, the large rest compressed."""
    if (work / "console.log").exists():
        shutil.copyfile(work / "console.log", raw / "console.log")
    if (work / TRACE).exists():
        shutil.copyfile(work / TRACE, raw / TRACE)  # it is compressed already
    for name in ("channel.out", "itlb.json"):
        if (work / name).exists():
            # No time and no name in it: equal output gives equal files.
            with (
                (work / name).open("rb") as source,
                (raw / f"{name}.gz").open("wb") as target,
                gzip.GzipFile("", "wb", 6, target, 0) as packed,
            ):
                shutil.copyfileobj(source, packed)
