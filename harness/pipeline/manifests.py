# SPDX-License-Identifier: GPL-2.0-only
"""The manifest of a run: the provenance of all that decides its trials."""

import sys
from collections.abc import Iterable

from harness import doctor
from harness.config import matrix
from harness.image import guest_layers as image
from harness.image import installed
from harness.kernel import Kernel
from harness.model.records import SCHEMA_VERSION, Manifest
from harness.model.specs import TrialSpec
from harness.model.trial_settings import Mode
from harness.paths import PROJECT
from harness.pipeline import resuming
from harness.pipeline.machine import Machine
from harness.pipeline.planning import Plan, RunRequest, kernel_text
from harness.pipeline.prepare import Prepared
from harness.store import provenance
from harness.targets.qemu import pinning


def baseline(asked: str | None, kernels: Iterable[Kernel]) -> str:
    """Name of the kernel that ratios are taken against: ``asked``, else the variant that is
    everybody's baseline, else the first."""
    listed = list(kernels)
    usual = (k.name for k in listed if k.variant is not None and k.variant.baseline)
    return asked or next(usual, listed[0].name)


def make_manifest(
    request: RunRequest, planned: Plan, prepared: Prepared, machine: Machine
) -> Manifest:
    """The provenance of a run, from what was made ready for it."""
    qemu_version, qemu_sha256 = machine.emulator(planned.choice.mode)
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
        qemu_sha256=qemu_sha256,
        packages={
            "python": provenance.python_packages(),
            "host": provenance.host_packages(),
            "guest": installed.guest_packages(prepared.layers.values()),
        },
        counters_reason=planned.choice.reason,
        counters_detail=planned.choice.detail,
        # Where the hardware measures, how it is set decides as much as what it is.
        host={**provenance.host_facts(), **({} if emulated else _state(trials[0]))},
        command=tuple(sys.argv),
        resume=resuming.resume_inputs(
            kernel_text(request, planned.suite),
            prepared.kernels.values(),
            planned.workloads,
            request.trace,
        ),
        readings={spec.name: spec.readings for spec in specs},
        questions={spec.name: spec.question for spec in specs},
    )


def _state(trial: TrialSpec) -> dict[str, str]:
    guest = {} if trial.mode is Mode.LOCAL else {"vcpus.on": pinning.told(trial.smp)}
    return {**doctor.state(), **guest}
