# SPDX-License-Identifier: GPL-2.0-only
"""What a run is asked for, settled against its suite before anything is built."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from harness.config import definitions, matrix, settings
from harness.doctor import Use
from harness.errors import UserError
from harness.itlb import plugin as itlb
from harness.model.specs import Scalar, SuiteSpec, WorkloadSpec
from harness.model.trial_settings import Counters, Mode, setting_text
from harness.paths import RESULTS
from harness.pipeline import resuming, running_kernel
from harness.pipeline.choose import Choice, choose, uses
from harness.pipeline.machine import Machine

DEFAULT_SUITE = "quick"


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
    seeds = suite.seeds if request.seeds is None else settings.seeds(request.seeds, "seeds")
    usual = suite.shared.mode
    suite = replace(suite, settings=changed, seeds=seeds)
    machine = machine or Machine()
    if running_kernel.asked_for(kernel_text(request, suite)):
        return _plan_here(request, suite, workloads, machine)
    mode = changed[0].mode if "mode" in request.settings else None
    if Mode.LOCAL in (mode, usual):
        where = "--mode" if mode else f"suite {suite.name}: mode"
        raise UserError(f"{where} local: it is the mode of one kernel", "use KERNEL=local")
    asked = changed[0].counters
    needed = uses(asked, mode)
    kvm = machine.probe(needed) if needed else None
    choice = choose(asked, mode, usual, kvm)
    suite = suite.with_settings(mode=choice.mode)
    if request.trace:
        _check_trace(choice, suite)
    _check_profile(request, suite)
    for spec, _ in workloads:
        matrix.merge_params(spec, suite.params.get(spec.name, {}), request.params)
    return Plan(suite=suite, workloads=workloads, asked=asked, choice=choice)


def _plan_here(
    request: RunRequest,
    suite: SuiteSpec,
    workloads: tuple[tuple[WorkloadSpec, Path], ...],
    machine: Machine,
) -> Plan:
    """The plan of a run on the machine itself."""
    here = running_kernel.of(machine.facts)
    given = {
        name: tuple(dict.fromkeys(getattr(one, name) for one in suite.settings))
        for name in request.settings
    }
    running_kernel.refuse(given, here, request.trace)
    running_kernel.check(machine.facts)
    asked = suite.shared.counters
    choice = running_kernel.choose(asked, machine.facts)
    suite, workloads = running_kernel.settled(suite, workloads, here)
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
    if not choice.counters.by_model:
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


def given_options(request: RunRequest) -> dict[str, object]:
    """The options that were given beside --resume and have to do with what is run."""
    values = {f.name: getattr(request, f.name) for f in fields(request)}
    values |= request.settings
    beside = ("resume", "again", "out", "jobs", "settings")
    absent = {"trace": False, "params": {}}
    return {n: v for n, v in values.items() if n not in beside and v != absent.get(n)}


def as_options(request: RunRequest) -> list[str]:
    """The options of the command line that say what was asked for, but where and how fast."""
    given = given_options(request)
    words: list[str] = []
    for name in ("kernels", "suite", "workload", "baseline"):
        words += [f"--{name.removesuffix('s')}", str(given[name])] if name in given else []
    if seeds := request.seeds:  # one alone would be a count
        words += [
            "--seeds",
            ",".join(map(str, seeds)) if len(seeds) > 1 else f"{seeds[0]}-{seeds[0]}",
        ]
    for name, value in request.settings.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            chosen = value if isinstance(value, tuple) else (value,)
            words += [flag, "both" if len(chosen) > 1 else setting_text(chosen[0])]
    for name, value in request.params.items():
        text = value if isinstance(value, str) else json.dumps(value)
        words += ["--param", f"{name}={text}"]
    return words + ["--trace"] * request.trace


def as_saved(request: RunRequest, saved: resuming.SavedRun) -> RunRequest:
    """The request that made the run that is resumed, or run again."""
    return replace(
        request,
        resume=str(saved.path) if request.resume is not None else None,
        kernels=saved.kernels,
        trace=saved.trace,
        baseline=saved.manifest.baseline,
        settings={},
        params={},
    )


def plan_of(saved: resuming.SavedRun, machine: Machine) -> Plan:
    """The plan of a run that is resumed. Raises PrerequisiteError where KVM no longer runs."""
    first = saved.manifest.trials[0]
    if first.mode is Mode.LOCAL:
        return _plan_of_local(saved, machine)
    kvm = machine.probe(frozenset({Use.KVM})) if first.mode is Mode.KVM else None
    choice = choose(first.counters, first.mode, first.mode, kvm)
    reason = replace(choice, reason=saved.manifest.counters_reason)
    return Plan(suite=saved.suite, workloads=saved.workloads, asked=first.counters, choice=reason)


def _plan_of_local(saved: resuming.SavedRun, machine: Machine) -> Plan:
    """Raises UserError where the machine is no longer set as it was."""
    here = running_kernel.of(machine.facts)
    was = saved.suite.shared
    given = {"pti": (was.pti,), "kaslr": (was.kaslr,), "smp": (was.smp,)}
    running_kernel.refuse(given, here, trace=False)
    running_kernel.check(machine.facts)
    choice = running_kernel.choose(saved.manifest.trials[0].counters, machine.facts)
    reason = replace(choice, reason=saved.manifest.counters_reason)
    _, workloads = running_kernel.settled(saved.suite, saved.workloads, here)
    return Plan(suite=saved.suite, workloads=workloads, asked=choice.counters, choice=reason)


def kernel_text(request: RunRequest, suite: SuiteSpec) -> str | None:
    """The kernels as KERNEL= takes them; None: all variants that are measured."""
    return request.kernels or ",".join(suite.kernels) or None
