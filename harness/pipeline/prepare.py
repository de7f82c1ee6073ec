# SPDX-License-Identifier: GPL-2.0-only
"""Everything that trials need and that is made once: kernels, image layers, plugin."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.config import load
from harness.image import build as image
from harness.image.programs import build_program
from harness.itlb import build as itlb
from harness.kernel import (
    Bench,
    Kernel,
    Selftests,
    StageRequest,
    StageResult,
    make_kernels,
    modules,
    resolve,
)
from harness.model import WorkloadSpec
from harness.paths import CONFIGS, cache_dir
from harness.pipeline.frozen import Frozen
from harness.pipeline.progress import Progress

BENCH_PLACE = "usr/bin/bench"
SELFTESTS_PLACE = "opt/selftests"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is ready."""

    frozen: Frozen
    kernels: Mapping[str, Kernel]
    bench: Bench | None
    selftests: Selftests | None
    layers: Mapping[str, image.Layer]  # base and bcc
    plugin: itlb.Plugin | None
    programs: Mapping[str, Mapping[str, Path]]  # by workload: name in the guest -> file


def kernels(
    text: str | None,
    progress: Progress,
    *,
    bench: bool,
    selftests: bool = False,
    check: Callable[[Kernel], None] = lambda _: None,
    source: str | None = None,
) -> StageResult:
    """The kernels named in ``text`` (None: every variant), built if need be. ``check`` sees the
    user's own before anything is built. ``source`` is KERNEL_SRC=; None: the environment's."""
    request = StageRequest(
        variants=load.variants(),
        configs=CONFIGS,
        cache=cache_dir(),
        jobs=os.cpu_count() or 1,
        kernels=text,
        source=source or os.environ.get("KERNEL_SRC") or None,
    )
    with progress.step("kernels"):
        return make_kernels(
            request,
            progress.say,
            progress.detail,
            progress.steps,
            bench=bench,
            selftests=selftests,
            check=check,
        )


def names(text: str | None, progress: Progress) -> tuple[str, ...]:
    """Names of the kernels in ``text`` (None: every variant); nothing is built.

    Raises UserError for what is no kernel.
    """
    packages = cache_dir() / "packages"
    return tuple(k.name for k in resolve(text, load.variants(), packages, progress.say))


def prepare(
    kernel_text: str | None,
    frozen: Frozen,
    progress: Progress,
    *,
    model: bool,
    check: Callable[[Kernel], None] = lambda _: None,
    source: str | None = None,
) -> Prepared:
    """Make everything for the workloads of ``frozen`` on the kernels named (see ``kernels``).

    Raises what the stages raise; nothing is built twice.
    """
    programs = {name: _programs(*found) for name, found in frozen.workloads.items()}
    needed = {name for spec, _ in frozen.workloads.values() for name in spec.files}
    stage = kernels(
        kernel_text,
        progress,
        bench="bench" in needed,
        selftests="selftests" in needed,
        check=check,
        source=source,
    )
    with progress.step("guest image"):
        layers = image.base_layers(progress.detail)
    plugin = None
    if model:
        with progress.step("iTLB model"):
            plugin = itlb.build_plugin()
    return Prepared(
        frozen=frozen,
        programs=programs,
        kernels={kernel.name: kernel for kernel in stage.kernels},
        bench=stage.bench,
        selftests=stage.selftests,
        layers=layers,
        plugin=plugin,
    )


def _programs(workload: WorkloadSpec, folder: Path) -> dict[str, Path]:
    sources = [folder / name for name in workload.programs]
    return {source.stem: build_program(source) for source in sources}


def trial_layers(
    prepared: Prepared, kernel: Kernel, workload: WorkloadSpec, work: Path
) -> list[image.Layer]:
    """The layers of one trial but the trial's own, written below ``work``."""
    files = {BENCH_PLACE: prepared.bench.path} if prepared.bench else {}
    if prepared.selftests and "selftests" in workload.files:
        files |= {f"{SELFTESTS_PLACE}/{path.name}": path for path in prepared.selftests.files}
    compiled = prepared.programs.get(workload.name, {})
    files |= {f"usr/bin/{name}": path for name, path in compiled.items()}
    wants_headers = "bcc" in workload.layers
    return [
        prepared.layers["base"],
        *[prepared.layers[name] for name in workload.layers],
        prepared.frozen.agent,
        image.kernel_layer(
            work / "kernel.cpio",
            modules=kernel.modules,
            module_files=_module_files(kernel, workload),
            headers=kernel.kheaders if wants_headers else None,
            files=files,
        ),
    ]


def _module_files(kernel: Kernel, workload: WorkloadSpec) -> dict[str, tuple[str, ...]] | None:
    """All modules of a variant, which are few; of a kernel of the user's own those that the
    workload names: a distribution's would fill the guest's memory. By release."""
    if kernel.modules is None or kernel.variant is not None:
        return None
    folders = sorted((kernel.modules / "lib/modules").iterdir())
    return {f.name: modules.files_for(f, workload.modules) for f in folders if f.is_dir()}


def everything(text: str | None, progress: Progress) -> tuple[Kernel, ...]:
    """Make all that a run needs, so that the next one starts at once."""
    stage = kernels(text, progress, bench=True)
    with progress.step("guest image"):
        image.base_layers(progress.detail)
    with progress.step("iTLB model"):
        itlb.build_plugin()
    return stage.kernels
