# SPDX-License-Identifier: GPL-2.0-only
"""Everything that trials need and that is made once: kernels, image layers, plugin."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness import proc
from harness.cache import Kind
from harness.config import definitions
from harness.errors import UserError
from harness.image import guest_layers as image
from harness.image.compiled import build_program
from harness.itlb import plugin as itlb
from harness.kernel import (
    Bench,
    Kernel,
    Selftests,
    StageRequest,
    StageResult,
    make_kernels,
    naming,
    resolve,
)
from harness.model.specs import WorkloadSpec
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
    on_checked: Callable[[], None] = lambda: None,
    source: str | None = None,
    to_boot: bool = True,
) -> StageResult:
    """The kernels named in ``text`` (None: every variant), built if need be. ``check`` sees the
    user's own before anything is built, and ``on_checked`` is called when all are right.
    ``source`` is KERNEL_SRC=; None: the environment's. Where they are ``to_boot``, the running
    kernel is refused with UserError."""
    if to_boot and text and any(word.value == naming.LOCAL for word in naming.parse(text)):
        raise UserError(
            f"KERNEL={text}: the running kernel is measured as it is, and never built or booted",
            "run and nightly take it",
        )
    request = StageRequest(
        variants=definitions.variants(),
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
            on_checked=on_checked,
        )


def names(text: str | None, progress: Progress) -> tuple[str, ...]:
    """Names of the kernels in ``text`` (None: every variant); nothing is built.

    Raises UserError for what is not a kernel.
    """
    packages = cache_dir() / Kind.PACKAGES
    return tuple(k.name for k in resolve(text, definitions.variants(), packages, progress.say))


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
    programs = {name: _programs(*workload, progress) for name, workload in frozen.workloads.items()}
    needed = {name for spec, _ in frozen.workloads.values() for name in spec.files}
    stage, beside = _made(
        lambda begin: kernels(
            kernel_text,
            progress,
            bench="bench" in needed,
            selftests="selftests" in needed,
            check=check,
            on_checked=begin,
            source=source,
            to_boot=False,
        ),
        progress,
        model=model,
    )
    return Prepared(
        frozen=frozen,
        programs=programs,
        kernels={kernel.name: kernel for kernel in stage.kernels},
        bench=stage.bench,
        selftests=stage.selftests,
        layers=beside.layers,
        plugin=beside.plugin,
    )


def _programs(workload: WorkloadSpec, folder: Path, progress: Progress) -> dict[str, Path]:
    sources = [folder / name for name in workload.programs]
    return {source.stem: build_program(source, progress.say) for source in sources}


@dataclass(frozen=True, kw_only=True)
class _Beside:
    """What is made beside the kernels."""

    layers: Mapping[str, image.Layer]
    plugin: itlb.Plugin | None


def _make_beside(progress: Progress, *, model: bool) -> _Beside:
    with progress.beside("guest image") as detail:
        layers = image.base_layers(detail, progress.say)
    return _Beside(layers=layers, plugin=itlb.build_plugin(progress.say) if model else None)


def _made(
    make: Callable[[Callable[[], None]], StageResult], progress: Progress, *, model: bool
) -> tuple[StageResult, _Beside]:
    """The kernels, and beside them, from when ``make`` calls what it is given, the guest image
    and the model: a kernel's link uses one CPU, and packages are waited for."""
    begun: list[Future[_Beside]] = []
    with ThreadPoolExecutor(max_workers=1) as pool:
        try:
            stage = make(lambda: begun.append(pool.submit(_make_beside, progress, model=model)))
            with progress.step("guest image and iTLB model" if model else "guest image"):
                return stage, begun[0].result()
        except BaseException:
            proc.stop_all()
            raise


def everything(text: str | None, progress: Progress) -> tuple[Kernel, ...]:
    """Make all that a run needs, so that the next one starts at once."""
    stage, _ = _made(
        lambda begin: kernels(text, progress, bench=True, on_checked=begin), progress, model=True
    )
    return stage.kernels
