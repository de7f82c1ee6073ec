# SPDX-License-Identifier: GPL-2.0-only
"""A run: its trials one after the other or side by side, each kept as it ends."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil

from harness import doctor
from harness.config import definitions
from harness.counters import events
from harness.counters.events import Event
from harness.model.records import Manifest, TrialRecord, TrialStatus
from harness.model.specs import TrialSpec
from harness.model.trial_settings import Counters, Mode
from harness.pipeline import (
    earlier_program,
    manifests,
    planning,
    pmu,
    resuming,
    running_kernel,
)
from harness.pipeline.choose import choose, uses
from harness.pipeline.interruptible import interruptible
from harness.pipeline.keeping import keep_record
from harness.pipeline.machine import Machine
from harness.pipeline.machine_lock import held_for
from harness.pipeline.planning import Plan, RunRequest
from harness.pipeline.prepare import Prepared
from harness.pipeline.progress import Progress
from harness.pipeline.readying import ready
from harness.pipeline.trial import Interrupted, TrialContext, run_trial
from harness.report import wording
from harness.scratch import scratch, sweep
from harness.store import (
    Run,
    create_run,
    load_run,
    remaining,
    resume_run,
)

MEMORY_RESERVE_MIB = 2048
"""Left to the host when trials run side by side."""


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a run ended; ``path`` is its folder."""

    path: Path
    done: int
    failed: int
    interrupted: bool


def run(request: RunRequest, progress: Progress, machine: Machine | None = None) -> RunOutcome:
    """Make everything ready, run the trials on ``machine`` (None: this one), keep each as it ends.

    A failed trial does not stop the others; interruption keeps what has ended.
    Raises the errors of the stages.
    """
    machine = machine or Machine()
    if left := sweep():
        progress.say(f"removed {wording.plural(left, 'folder')} that killed runs had left")
    saved = None
    if (name := request.resume or request.again) is not None:
        saved = resuming.saved_run(name, request.out, planning.given_options(request))
        if request.resume is not None and resuming.complete(saved):
            progress.say(f"run {saved.manifest.run} is complete: nothing to resume")
            return RunOutcome(path=saved.path, done=0, failed=0, interrupted=False)
        if request.resume is not None and earlier_program.needed(saved.manifest.program_commit):
            return _by_earlier(saved, request, progress)
        request = planning.as_saved(request, saved)
    planned = planning.plan(request, machine) if saved is None else planning.plan_of(saved, machine)
    with ready(request, planned, saved, progress, machine) as prepared:
        return _run(request, planned, prepared, progress, machine)


def _by_earlier(saved: resuming.SavedRun, request: RunRequest, progress: Progress) -> RunOutcome:
    """Resume the run with the program that began it."""
    manifest = saved.manifest
    before = load_run(saved.path).records
    begun_by = manifest.program_commit
    progress.say(f"run {manifest.run} was begun by program {begun_by}, which has to end it")
    with scratch() as folder:
        ended = earlier_program.resume(
            saved.path, begun_by, folder, progress,
            options=planning.as_options(request), jobs=request.jobs,
        )  # fmt: skip
    done = [record for record in load_run(saved.path).records if record not in before]
    failed = sum(record.status is not TrialStatus.OK for record in done)
    return RunOutcome(path=saved.path, done=len(done), failed=failed, interrupted=not ended)


def _run(
    request: RunRequest, planned: Plan, prepared: Prepared, progress: Progress, machine: Machine
) -> RunOutcome:
    auto = planned.asked is Counters.AUTO
    if auto and planned.choice.mode is Mode.KVM:
        planned = _without_pmu(planned, _check_pmu(planned, prepared, machine), request, machine)
    progress.say(f"counters: {planned.choice.reason}")
    mode = planned.choice.mode
    if mode is Mode.LOCAL:
        (kernel,) = prepared.kernels.values()
        specs = (spec for spec, _ in planned.workloads)
        for line in running_kernel.announcement(kernel.identity.release, specs):
            progress.say(line)
    manifest = manifests.make_manifest(request, planned, prepared, machine)
    with _open(request, manifest) as (writer, todo):
        progress.say(f"run {writer.manifest.run}: {len(todo)} trials")
        with held_for(planned.choice.mode, machine.lock, progress):
            return _all(writer, todo, prepared, planned, request, progress, machine)


def _check_pmu(planned: Plan, prepared: Prepared, machine: Machine) -> TrialRecord:
    spec = pmu.check_trial(planned.suite, next(iter(prepared.kernels)))
    with scratch() as raw:
        context = TrialContext(target=machine.target, prepared=pmu.with_check(prepared), raw=raw)
        return run_trial(spec, context)


def _without_pmu(planned: Plan, record: TrialRecord, request: RunRequest, machine: Machine) -> Plan:
    """The plan as it is after the guest's check of its PMU, the trial ``record``: where that does
    not count, the host does, or the model where the host cannot either or no guest came to its
    end."""
    check = pmu.verdict(record)
    if check.works:
        return replace(planned, choice=replace(planned.choice, reason=check.reason))
    suite = definitions.suite(request.suite or planning.DEFAULT_SUITE)
    runs = record.status is TrialStatus.OK
    host = machine.probe(uses(Counters.HOST, None)) if runs else check
    if host.works:
        choice = choose(Counters.HOST, None, suite.shared.mode, host)
        choice = replace(choice, reason=f"perf on the host, because {check.reason}")
    else:
        choice = choose(Counters.AUTO, None, suite.shared.mode, check)
    return replace(planned, suite=planned.suite.with_settings(mode=choice.mode), choice=choice)


@contextmanager
def _open(request: RunRequest, manifest: Manifest) -> Iterator[tuple[Run, tuple[TrialSpec, ...]]]:
    if request.resume is None:
        with create_run(manifest, request.out) as writer:
            yield writer, manifest.trials
        return
    writer, records, _ = resume_run(request.out / request.resume)
    with writer:
        resuming.check_provenance(writer.manifest, manifest)
        yield writer, remaining(writer.manifest, records)


def parallel(asked: int | None, mode: Mode, memory_mib: int) -> int:
    """How many trials run side by side: more than one in exact mode only, where they cannot
    disturb each other; at most as many as the free memory (MiB a guest) holds."""
    if mode is not Mode.EXACT:
        return 1
    free = psutil.virtual_memory().available >> 20
    fits = max(1, (free - MEMORY_RESERVE_MIB) // memory_mib)
    return max(1, min(asked or os.cpu_count() or 1, fits))


def _all(
    writer: Run,
    todo: Sequence[TrialSpec],
    prepared: Prepared,
    planned: Plan,
    request: RunRequest,
    progress: Progress,
    machine: Machine,
) -> RunOutcome:
    stop = threading.Event()
    jobs = parallel(request.jobs, planned.choice.mode, max((t.memory_mib for t in todo), default=1))
    ended = failed = 0

    def one(spec: TrialSpec) -> TrialRecord:
        shown.began(spec.id)
        context = TrialContext(
            target=machine.target_of(spec.mode),
            prepared=prepared,
            raw=writer.path / "raw" / spec.id,
            perf_sets=perf_sets(spec, machine.facts),
            trace=request.trace,
            say=partial(shown.detail, spec.id),
            should_stop=stop.is_set,
        )
        return run_trial(spec, context)

    with (
        interruptible(stop),
        ThreadPoolExecutor(jobs) as pool,
        progress.trials(todo, jobs) as shown,
    ):
        waiting: set[Future[TrialRecord]] = set()
        queue = list(todo)
        try:
            while (queue or waiting) and not (stop.is_set() and not waiting):
                while queue and len(waiting) < jobs and not stop.is_set():
                    waiting.add(pool.submit(one, queue.pop(0)))
                finished, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in finished:
                    try:
                        record = keep_record(writer, future.result())
                    except Interrupted:
                        continue
                    ended += 1
                    failed += record.status is not TrialStatus.OK
                    shown.ended(record.trial, record.wall_seconds)
                    progress.say(_line(record, ended, len(todo)))
        except BaseException:
            stop.set()
            raise
    return RunOutcome(path=writer.path, done=ended, failed=failed, interrupted=stop.is_set())


def perf_sets(spec: TrialSpec, facts: doctor.Facts) -> tuple[tuple[Event, ...], ...]:
    """What perf counts in the trial, in sets that the counters can count all of the time.

    Guests are booted without the NMI watchdog; on the machine itself it takes a counter.
    """
    if not spec.counters.by_hardware:
        return ()
    here = spec.mode is Mode.LOCAL or spec.counters is Counters.HOST
    taken = here and doctor.watchdog(facts)
    return events.sets(events.of_host(), events.host_counters() - taken)


def _line(record: TrialRecord, number: int, of: int) -> str:
    head = f"[{number}/{of}] {record.trial}: "
    if record.failure is None:
        return f"{head}{record.wall_seconds:.0f} s"
    console = "".join(f"\n    | {line}" for line in record.failure.console_tail)
    return f"{head}FAILED ({record.failure.kind}): {record.failure.message}{console}"
