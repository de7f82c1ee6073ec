# SPDX-License-Identifier: GPL-2.0-only
"""What a target gets for one trial, from what was made ready for the run."""

from pathlib import Path

from harness.counters.facts import calls
from harness.guest.agent import wire
from harness.kernel import Kernel, module_trees
from harness.model.specs import TrialSpec, WorkloadSpec
from harness.model.trial_settings import Counters
from harness.pipeline.prepare import BENCH_PLACE, SELFTESTS_PLACE, Prepared
from harness.targets.target import KernelFiles, Model, Payload


def counts_by_model(spec: TrialSpec) -> bool:
    """Whether the trial runs under the iTLB model."""
    return spec.counters.by_model


def trial_document(
    spec: TrialSpec, workload: WorkloadSpec, perf_events: tuple[str, ...]
) -> wire.TrialDocument:
    """All that the agent is told."""
    return wire.TrialDocument(
        variant=spec.variant,
        seed=spec.seed,
        smp=spec.smp,
        pti=spec.pti,
        params=dict(spec.params),
        module=workload.module,
        watch=workload.watch,
        traces=workload.traces,
        perf_events=perf_events,
        # Functions to look up for the model; without it nobody would count them.
        calls=calls.SYMBOLS if counts_by_model(spec) else (),
    )


def trial_payload(
    spec: TrialSpec, prepared: Prepared, perf_events: tuple[str, ...], trace: bool, work: Path
) -> Payload:
    """The payload of ``spec``; the target may write into ``work``."""
    workload, folder = prepared.frozen.workloads[spec.workload]
    kernel = prepared.kernels[spec.variant]
    on_host = spec.counters is Counters.HOST
    model = None
    if counts_by_model(spec):
        assert prepared.plugin is not None
        model = Model(plugin=prepared.plugin.path, profile=prepared.frozen.profile, trace=trace)
    return Payload(
        spec=spec,
        document=wire.encode(trial_document(spec, workload, () if on_host else perf_events)),
        workload=folder,
        kernel=kernel.image,
        kernel_files=kernel_files(prepared, kernel, workload),
        layers=(
            prepared.layers["base"],
            *(prepared.layers[name] for name in workload.layers),
            prepared.frozen.agent,
        ),
        model=model,
        host_events=perf_events if on_host else (),
        append=(*kernel.identity.boot, *workload.boot),
        timeout_s=workload.timeout_s,
        work=work,
    )


def kernel_files(prepared: Prepared, kernel: Kernel, workload: WorkloadSpec) -> KernelFiles:
    """What the guest gets beside the kernel's image."""
    programs = {BENCH_PLACE: prepared.bench.path} if prepared.bench else {}
    if prepared.selftests and "selftests" in workload.files:
        programs |= {f"{SELFTESTS_PLACE}/{path.name}": path for path in prepared.selftests.files}
    compiled = prepared.programs.get(workload.name, {})
    programs |= {f"usr/bin/{name}": path for name, path in compiled.items()}
    return KernelFiles(
        modules=kernel.modules,
        module_files=_module_files(kernel, workload),
        headers=kernel.kheaders if "bcc" in workload.layers else None,
        programs=programs,
    )


def _module_files(kernel: Kernel, workload: WorkloadSpec) -> dict[str, tuple[str, ...]] | None:
    """All modules of a variant, which are few; of a kernel of the user's own those that the
    workload names: a distribution's would fill the guest's memory. By release."""
    if kernel.modules is None or kernel.variant is not None:
        return None
    folders = sorted((kernel.modules / "lib/modules").iterdir())
    own = [f for f in folders if f.name == kernel.identity.release] or folders
    return {f.name: module_trees.files_for(f, workload.modules) for f in own if f.is_dir()}
