# SPDX-License-Identifier: GPL-2.0-only
"""A run: what is asked for, its manifest, and its trials one after the other or side by side."""

import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path

import psutil

from harness import doctor
from harness.config import definitions, matrix, settings
from harness.counters import events, perf
from harness.doctor import Use
from harness.errors import UserError
from harness.image import guest_layers as image
from harness.itlb import plugin as itlb
from harness.kernel import Kernel
from harness.model.records import SCHEMA_VERSION, Manifest, TrialRecord, TrialStatus
from harness.model.specs import Scalar, SuiteSpec, TrialSpec, WorkloadSpec
from harness.model.trial_settings import Counters, Mode
from harness.paths import PROJECT, RESULTS
from harness.pipeline import earlier_program, fit, pmu, resuming
from harness.pipeline.choose import Choice, choose, uses
from harness.pipeline.frozen import freeze
from harness.pipeline.interruptible import interruptible
from harness.pipeline.keeping import keep_record
from harness.pipeline.machine import Machine
from harness.pipeline.machine_lock import held_for
from harness.pipeline.prepare import Prepared, names
from harness.pipeline.progress import Progress
from harness.pipeline.trial import Interrupted, TrialContext, run_trial
from harness.report import wording
from harness.scratch import scratch, sweep
from harness.store import (
    Run,
    create_run,
    folder_errors,
    load_run,
    provenance,
    remaining,
    resume_run,
)
from harness.targets.qemu import pinning
from harness.targets.qemu.accel import Accelerator

DEFAULT_SUITE = "quick"

MEMORY_RESERVE_MIB = 2048
"""Left to the host when trials run side by side."""


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What the user asks for; None: the suite decides."""

    kernels: str | None = None
    suite: str | None = None  # None: DEFAULT_SUITE
    workload: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)  # override the suite's, by name
    seeds: tuple[int, ...] | None = None
    params: dict[str, Scalar] = field(default_factory=dict)
    jobs: int | None = None
    trace: bool = False  # keep each trial's page trace
    baseline: str | None = None  # kernel that ratios are taken against
    out: Path = RESULTS
    resume: str | None = None  # a run to resume; nothing else need be given then
    again: str | None = None  # a run whose trials are all run anew; as resume, to a new run


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """How a run ended; ``path`` is its folder."""

    path: Path
    done: int
    failed: int
    interrupted: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A request settled against the suite, before anything is built."""

    suite: SuiteSpec
    workloads: tuple[tuple[WorkloadSpec, Path], ...]
    asked: Counters
    choice: Choice


def plan(request: RunRequest, machine: Machine | None = None) -> Plan:
    """Check the request and settle counters and mode. Raises UserError, PrerequisiteError."""
    suite = definitions.suite(request.suite or DEFAULT_SUITE)
    names = (request.workload,) if request.workload else suite.workloads
    workloads = tuple(definitions.workload(name) for name in names)
    changed = settings.override(suite.settings, request.settings, "settings")
    mode = changed[0].mode if "mode" in request.settings else None
    asked = changed[0].counters
    needed = uses(asked, mode)
    kvm = (machine or Machine()).probe(needed) if needed else None
    choice = choose(asked, mode, suite.shared.mode, kvm)
    seeds = suite.seeds if request.seeds is None else settings.seeds(request.seeds, "seeds")
    suite = replace(suite, settings=changed, seeds=seeds).with_settings(mode=choice.mode)
    if request.trace:
        _check_trace(choice, suite)
    _check_profile(request, suite)
    for spec, _ in workloads:
        matrix.merge_params(spec, suite.params.get(spec.name, {}), request.params)
    return Plan(suite=suite, workloads=workloads, asked=asked, choice=choice)


def _check_profile(request: RunRequest, suite: SuiteSpec) -> None:
    try:
        itlb.profile_path(suite.shared.profile)
    except UserError as error:
        where = "settings" if "profile" in request.settings else f"suite {suite.name}"
        raise UserError(f"{where}: profile: {error.message}", error.remedy) from None


def _check_trace(choice: Choice, suite: SuiteSpec) -> None:
    if choice.counters not in (Counters.MODEL, Counters.BOTH):
        raise UserError(
            f"--trace with --counters {choice.counters}: only the model sees pages",
            "add --counters model",
        )
    smp = suite.shared.smp
    if choice.mode is not Mode.EXACT and smp > 1:
        raise UserError(
            f"--trace with --mode {choice.mode} --smp {smp}: the order of pages is lost",
            "use --mode exact, or --smp 1",
        )


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
        saved = resuming.saved_run(name, request.out, _given(request))
        if request.resume is not None and resuming.complete(saved):
            progress.say(f"run {saved.manifest.run} is complete: nothing to resume")
            return RunOutcome(path=saved.path, done=0, failed=0, interrupted=False)
        if request.resume is not None and earlier_program.needed(saved.manifest.program_commit):
            return _by_earlier(saved, progress, request.jobs)
        request = _as_saved(request, saved)
    planned = plan(request, machine) if saved is None else _plan_of(saved, machine)
    auto = planned.asked is Counters.AUTO
    model = auto or planned.choice.counters in (Counters.MODEL, Counters.BOTH)
    with scratch() as folder:
        with folder_errors(folder):
            frozen = freeze(planned.workloads, planned.suite.shared.profile, folder)
        kernels = _kernel_text(request, planned.suite)
        if request.baseline is not None:
            _check_baseline(request.baseline, names(kernels, progress))
        isolation = dict.fromkeys(one.pti for one in planned.suite.settings)
        check = fit.checker((spec for spec, _ in planned.workloads), isolation)
        source = saved.kernel_source if saved else None
        prepared = machine.prepare(
            kernels, frozen, progress, model=model, check=check, source=source
        )
        return _run(request, planned, prepared, progress, machine)


def _by_earlier(saved: resuming.SavedRun, progress: Progress, jobs: int | None) -> RunOutcome:
    """Resume the run with the program that began it."""
    manifest = saved.manifest
    todo = {spec.id for spec in remaining(manifest, load_run(saved.path).records)}
    begun_by = manifest.program_commit
    progress.say(f"run {manifest.run} was begun by program {begun_by}, which has to end it")
    with scratch() as folder:
        ended = earlier_program.resume(saved.path, begun_by, folder, progress, jobs=jobs)
    done = [record for record in load_run(saved.path).records if record.trial in todo]
    failed = sum(record.status is not TrialStatus.OK for record in done)
    return RunOutcome(path=saved.path, done=len(done), failed=failed, interrupted=not ended)


def _given(request: RunRequest) -> dict[str, object]:
    """The options that were given beside --resume and have to do with what is run."""
    values = {f.name: getattr(request, f.name) for f in fields(request)}
    values |= request.settings
    beside = ("resume", "again", "out", "jobs", "settings")
    absent = {"trace": False, "params": {}}
    return {n: v for n, v in values.items() if n not in beside and v != absent.get(n)}


def _as_saved(request: RunRequest, saved: resuming.SavedRun) -> RunRequest:
    return replace(
        request,
        resume=str(saved.path) if request.resume is not None else None,
        kernels=saved.kernels,
        trace=saved.trace,
        baseline=saved.manifest.baseline,
        settings={},
        params={},
    )


def _plan_of(saved: resuming.SavedRun, machine: Machine) -> Plan:
    """The plan of a run that is resumed. Raises PrerequisiteError where KVM no longer runs."""
    first = saved.manifest.trials[0]
    kvm = machine.probe(frozenset({Use.KVM})) if first.mode is Mode.KVM else None
    choice = choose(first.counters, first.mode, first.mode, kvm)
    reason = replace(choice, reason=saved.manifest.counters_reason)
    return Plan(suite=saved.suite, workloads=saved.workloads, asked=first.counters, choice=reason)


def _kernel_text(request: RunRequest, suite: SuiteSpec) -> str | None:
    """The kernels as KERNEL= takes them; None: all variants that are measured."""
    return request.kernels or ",".join(suite.kernels) or None


def _run(
    request: RunRequest, planned: Plan, prepared: Prepared, progress: Progress, machine: Machine
) -> RunOutcome:
    auto = planned.asked is Counters.AUTO
    if auto and planned.choice.mode is Mode.KVM:
        planned = _without_pmu(planned, _check_pmu(planned, prepared, machine), request)
    progress.say(f"counters: {planned.choice.reason}")
    manifest = make_manifest(request, planned, prepared, machine.version())
    with _open(request, manifest) as (writer, todo):
        progress.say(f"run {writer.manifest.run}: {len(todo)} trials")
        with held_for(planned.choice.mode, machine.lock, progress):
            return _all(writer, todo, prepared, planned, request, progress, machine)


def _check_pmu(planned: Plan, prepared: Prepared, machine: Machine) -> Accelerator:
    spec = pmu.check_trial(planned.suite, next(iter(prepared.kernels)))
    with scratch() as raw:
        context = TrialContext(target=machine.target, prepared=pmu.with_check(prepared), raw=raw)
        return pmu.verdict(run_trial(spec, context))


def _without_pmu(planned: Plan, check: Accelerator, request: RunRequest) -> Plan:
    """The plan as it is after the PMU's check: the model where the PMU does not count."""
    if check.works:
        return replace(planned, choice=replace(planned.choice, reason=check.reason))
    suite = definitions.suite(request.suite or DEFAULT_SUITE)
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


def _check_baseline(asked: str, kernels: Sequence[str]) -> None:
    if asked not in kernels:
        raise UserError(
            f"--baseline {asked!r} is not a kernel of this run",
            f"give one of: {', '.join(kernels)}",
        )


def baseline(asked: str | None, kernels: Iterable[Kernel]) -> str:
    """Name of the kernel that ratios are taken against: ``asked``, else the variant that is
    everybody's baseline, else the first."""
    listed = list(kernels)
    usual = (k.name for k in listed if k.variant is not None and k.variant.baseline)
    return asked or next(usual, listed[0].name)


def make_manifest(
    request: RunRequest, planned: Plan, prepared: Prepared, qemu_version: str
) -> Manifest:
    """The provenance of a run, from what was made ready for it."""
    specs = [spec for spec, _ in planned.workloads]
    trials = matrix.trials(
        planned.suite, list(prepared.kernels), specs, planned.choice.counters, request.params
    )
    created = provenance.now()
    emulated = planned.choice.mode is Mode.EXACT
    return Manifest(
        schema=SCHEMA_VERSION,
        run=provenance.run_id(created, planned.suite.name, trials),
        created=provenance.iso(created),
        suite=planned.suite.name,
        program_version=provenance.program_version(),
        program_commit=provenance.git_describe(PROJECT),
        baseline=baseline(request.baseline, prepared.kernels.values()),
        kernels=tuple(kernel.identity for kernel in prepared.kernels.values()),
        trials=trials,
        image_sha256={
            "agent": prepared.frozen.agent.sha256,
            **{name: layer.sha256 for name, layer in prepared.layers.items()},
        },
        plugin_sha256=prepared.plugin.sha256 if prepared.plugin else "",
        bench_sha256=prepared.bench.sha256 if prepared.bench else "",
        selftests_sha256=prepared.selftests.sha256 if prepared.selftests else "",
        profile_sha256=provenance.sha256_file(prepared.frozen.profile),
        workload_sha256={
            name: provenance.sha256_tree(folder, image.workload_files(folder))
            for name, (_, folder) in prepared.frozen.workloads.items()
        },
        qemu_version=qemu_version,
        counters_reason=planned.choice.reason,
        counters_detail=planned.choice.detail,
        # Where the hardware measures, how it is set decides as much as what it is.
        host={**provenance.host_facts(), **({} if emulated else _state(trials[0].smp))},
        command=tuple(sys.argv),
        resume=resuming.resume_inputs(
            _kernel_text(request, planned.suite),
            prepared.kernels.values(),
            planned.workloads,
            request.trace,
        ),
        readings={spec.name: spec.readings for spec in specs},
        questions={spec.name: spec.question for spec in specs},
    )


def _state(vcpus: int) -> dict[str, str]:
    return {**doctor.state(), "vcpus.on": pinning.told(vcpus)}


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
            target=machine.target,
            prepared=prepared,
            raw=writer.path / "raw" / spec.id,
            perf_events=(
                perf.requested(events.of_host())
                if spec.counters in (Counters.PERF, Counters.BOTH)
                else ()
            ),
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


def _line(record: TrialRecord, number: int, of: int) -> str:
    head = f"[{number}/{of}] {record.trial}: "
    if record.failure is None:
        return f"{head}{record.wall_seconds:.0f} s"
    console = "".join(f"\n    | {line}" for line in record.failure.console_tail)
    return f"{head}FAILED ({record.failure.kind}): {record.failure.message}{console}"
