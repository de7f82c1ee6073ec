# SPDX-License-Identifier: GPL-2.0-only
"""A saved run as what is needed to resume it: everything comes from its manifest."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.analysis.history import HARNESS
from harness.analysis.other_inputs import other_inputs
from harness.config import definitions
from harness.errors import DataError, UserError
from harness.kernel import Kernel, naming
from harness.model.records import Manifest, ResumeInputs
from harness.model.specs import SuiteSpec, WorkloadSpec
from harness.model.trial_settings import SUITE_SETTINGS, SuiteSettings
from harness.pipeline import contradictions
from harness.pipeline.contradictions import Given, distinct
from harness.store import find_run, load_run, remaining

RESUME_KEYS = (
    "trials",
    "kernels",
    "image_sha256",
    "plugin_sha256",
    "profile_sha256",
    "workload_sha256",
    "bench_sha256",
    "selftests_sha256",
    "qemu_version",
)
"""Manifest fields that must match before a run can be resumed."""

KERNEL_SRC = "KERNEL_SRC"


@dataclass(frozen=True, kw_only=True)
class SavedRun:
    """A run to be resumed."""

    path: Path
    manifest: Manifest
    suite: SuiteSpec  # its trials on ``kernels`` are those of the manifest
    workloads: tuple[tuple[WorkloadSpec, Path], ...]
    kernels: str  # as KERNEL= takes them
    kernel_source: str | None  # as KERNEL_SRC= takes it
    trace: bool


def saved_run(name: str, root: Path, given: Given) -> SavedRun:
    """The run ``name`` (a path, an id, the start of one, or ``latest``) below ``root``.

    Raises UserError where there is none, where an option in ``given`` contradicts it, and where
    its manifest does not say where a kernel or a workload is and ``given`` does not either.
    """
    path = find_run(name, root)
    manifest = load_run(path).manifest
    if not manifest.trials:
        raise DataError(f"run {manifest.run} has no trials", "start a new run")
    contradictions.refuse(given, manifest)
    return SavedRun(
        path=path.resolve(),
        manifest=manifest,
        suite=suite_of(manifest),
        workloads=_workloads(manifest, given.get("workload")),
        kernels=_kernels(manifest, given.get("kernels")),
        kernel_source=_kernel_source(manifest, os.environ.get(KERNEL_SRC, "")),
        trace=manifest.resume.trace if manifest.resume else bool(given.get("trace")),
    )


def resume_inputs(
    kernel_text: str | None,
    kernels: Iterable[Kernel],
    workloads: Iterable[tuple[WorkloadSpec, Path]],
    trace: bool,
) -> ResumeInputs:
    """What the manifest of a new run keeps so that it can be resumed.

    ``kernel_text``: KERNEL=, which gave ``kernels``; None: variants under their own names.
    """
    made = list(kernels)
    words = naming.parse(kernel_text) if kernel_text else ()
    values = [word.value for word in words] or [kernel.name for kernel in made]
    shipped = definitions.workload_folders()
    return ResumeInputs(
        kernels={
            kernel.name: value if _by_word(kernel, value) else _absolute(value)
            for kernel, value in zip(made, values, strict=True)
        },
        workloads={
            spec.name: str(folder) for spec, folder in workloads if folder != shipped.get(spec.name)
        },
        kernel_source=_absolute_list(os.environ.get(KERNEL_SRC, "")),
        trace=trace,
    )


def _by_word(kernel: Kernel, value: str) -> bool:
    """Whether ``value`` is not a path."""
    return kernel.variant is not None or value == naming.LOCAL


def suite_of(manifest: Manifest) -> SuiteSpec:
    """A suite whose trials, on the kernels of ``manifest``, are its trials."""
    trials = manifest.trials
    return SuiteSpec(
        name=manifest.suite,
        title="",
        workloads=distinct(trial.workload for trial in trials),
        seeds=distinct(trial.seed for trial in trials),
        settings=distinct(
            SuiteSettings(**{name: trial.values[name] for name in SUITE_SETTINGS})
            for trial in trials
        ),
        params={trial.workload: trial.params for trial in trials},
    )


def check_provenance(saved: Manifest, now: Manifest) -> None:
    """Refuse to resume a run whose provenance is no longer that of this checkout.

    The trials that are left would be others than those that there are: one run is of one
    program, one agent, one model.
    """
    if not _counted_by_model(saved):
        # A run that auto settled on perf has the plugin's hash and does not use it.
        now = replace(now, plugin_sha256=saved.plugin_sha256)
    wrong = [key for key in RESUME_KEYS if getattr(saved, key) != getattr(now, key)]
    if not wrong:
        return
    others = [other.line for other in other_inputs(saved, now) if other.name != HARNESS]
    begun = saved.program_commit
    raise UserError(
        f"run {saved.run} cannot be resumed: {'; '.join(others or wrong)}",
        (
            f"resume it with the program that began it (git checkout {begun})"
            if begun
            else "restore what it was made with"
        )
        + ", or start a new run",
    )


def complete(saved: SavedRun) -> bool:
    """Whether every trial of the run has a result, so that nothing is left to resume."""
    return not remaining(saved.manifest, load_run(saved.path).records)


def _counted_by_model(manifest: Manifest) -> bool:
    return any(trial.counters.by_model for trial in manifest.trials)


def _workloads(manifest: Manifest, asked: object) -> tuple[tuple[WorkloadSpec, Path], ...]:
    """The run's workloads; ``asked``, --workload, where the manifest says of one no place."""
    places = manifest.resume.workloads if manifest.resume else {}
    shipped = definitions.workload_folders()
    workloads = []
    for name in distinct(trial.workload for trial in manifest.trials):
        if name in places:
            workloads.append(definitions.workload(places[name]))
        elif name in shipped or asked is None:
            if name not in shipped:
                raise _no_place(manifest, "workload", name, "--workload FOLDER")
            workloads.append(definitions.workload(name))
        else:
            workloads.append(definitions.workload(str(asked)))
    return tuple(workloads)


def _kernels(manifest: Manifest, asked: object) -> str:
    """The run's kernels as KERNEL= takes them; ``asked``, --kernel, where the manifest does not
    say where they are."""
    if manifest.resume is not None:
        values = manifest.resume.kernels
        _refuse_other_kernels(manifest, values, asked)
        names = [kernel.name for kernel in manifest.kernels]
        return ",".join(
            name if values[name] == name else f"{name}={values[name]}" for name in names
        )
    if asked is not None:
        return str(asked)
    variants = definitions.variants()
    for kernel in manifest.kernels:
        if kernel.name not in variants or not kernel.base_sha256:
            raise _no_place(manifest, "kernel", kernel.name, "--kernel NAME=PATH,...")
    return ",".join(kernel.name for kernel in manifest.kernels)


def _refuse_other_kernels(manifest: Manifest, values: Mapping[str, str], asked: object) -> None:
    """Raise UserError where ``asked`` names another kernel than the run's."""
    if asked is None:
        return
    for word in naming.parse(str(asked)):
        same = {word.value, _absolute(word.value)}
        held = [name for name, value in values.items() if value in same]
        if not held or word.name not in ("", *held):
            raise UserError(
                f"--kernel {asked}: run {manifest.run} was made with {', '.join(values)}",
                "leave the option out, or start a new run",
            )


def _kernel_source(manifest: Manifest, asked: str) -> str | None:
    """The run's KERNEL_SRC; ``asked`` is the one in the environment."""
    given = _absolute_list(asked)
    held = manifest.resume.kernel_source if manifest.resume else given
    if given and given != held:
        raise UserError(
            f"{KERNEL_SRC}={asked}: run {manifest.run} was made with {held or 'none'}",
            f"unset {KERNEL_SRC}, or start a new run",
        )
    return held or None


def _no_place(manifest: Manifest, kind: str, name: str, option: str) -> UserError:
    return UserError(
        f"run {manifest.run}: its manifest does not say where {kind} {name} is",
        f"add {option} as it was given then",
    )


def _absolute(value: str) -> str:
    """A path that means the same from everywhere; links in it stay links."""
    return os.path.abspath(Path(value).expanduser())  # noqa: PTH100


def _absolute_list(text: str) -> str:
    return ",".join(_absolute(part.strip()) for part in text.split(",") if part.strip())
