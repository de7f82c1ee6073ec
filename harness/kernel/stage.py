# SPDX-License-Identifier: GPL-2.0-only
"""The stage as a whole: every kernel of a run, and bench, from one request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.cache import Kind, Say, ignore
from harness.kernel import running, source
from harness.kernel.adopt import adopt
from harness.kernel.artefacts import Bench, Kernel, RunningKernel, Selftests
from harness.kernel.bench import base_variant, build_bench
from harness.kernel.build import KernelRequest, build_kernel, plan
from harness.kernel.resolve import resolve
from harness.kernel.selftests import build_selftests
from harness.kernel.steps import Listener, Steps, ignore_steps
from harness.model.specs import VariantSpec


@dataclass(frozen=True, kw_only=True)
class StageRequest:
    """Which kernels, and from what. ``kernels`` is the user's KERNEL=, None for all."""

    variants: Mapping[str, VariantSpec]
    configs: Path  # holds patches/ and kconfig/
    cache: Path
    jobs: int  # compilers side by side
    kernels: str | None = None
    source: str | None = None  # the user's KERNEL_SRC=: one for each base, with commas


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """The kernels in the order asked for; bench and the self-tests where they were wanted."""

    kernels: tuple[Kernel, ...]
    bench: Bench | None
    selftests: Selftests | None = None


def kernel_requests(
    request: StageRequest, wanted: Sequence[VariantSpec], say: Say
) -> dict[str, KernelRequest]:
    """What to build for ``wanted``, by variant; says which of them KERNEL_SRC does not fit."""
    bases = {spec.base for spec in (*request.variants.values(), *wanted)}
    sources = source.stand_ins(request.source, bases)
    for spec in wanted:
        if sources and spec.base not in sources:
            say(f"KERNEL_SRC={request.source} is not used for {spec.name}: that is {spec.base}")
    return {
        spec.name: KernelRequest(
            variant=spec,
            configs=request.configs,
            cache=request.cache,
            jobs=request.jobs,
            source=sources.get(spec.base),
        )
        for spec in wanted
    }


def make_kernels(
    request: StageRequest,
    say: Say = ignore,
    detail: Say = ignore,
    on_steps: Listener = ignore_steps,
    *,
    bench: bool = True,
    selftests: bool = False,
    check: Callable[[Kernel], None] = lambda _: None,
    on_checked: Callable[[], None] = lambda: None,
) -> StageResult:
    """Make every kernel of ``request`` ready to boot; with ``bench`` that program, with
    ``selftests`` the base's BPF self-tests.

    All names, images and sources are checked before anything is built, and the user's own kernels
    with ``check``, which raises for one that is of no use; then ``on_checked`` is called. Raises
    the errors of ``resolve``, ``adopt``, ``check``, ``build_kernel``, ``build_bench`` and
    ``build_selftests``.
    """
    packages, modules = request.cache / Kind.PACKAGES, request.cache / Kind.MODULES
    chosen = resolve(request.kernels, request.variants, packages, say)
    adopted = {
        c.name: running.adopt(c) if isinstance(c, RunningKernel) else adopt(c, modules, say)
        for c in chosen
        if not isinstance(c, VariantSpec)
    }
    for kernel in adopted.values():
        check(kernel)
    base = base_variant(request.variants)
    named = [c for c in chosen if isinstance(c, VariantSpec)]
    wanted = [*named, *([base] if (bench or selftests) and base not in named else [])]
    requests = kernel_requests(request, wanted, say)
    plans = {name: plan(each, say) for name, each in requests.items()}
    on_checked()
    to_build = [c.name for c in named if not (plans[c.name].store / plans[c.name].key).is_dir()]

    def counted(name: str) -> Listener:
        left = len(to_build) - 1 - to_build.index(name) if name in to_build else 0

        def listen(steps: Steps) -> None:
            on_steps(replace(steps, builds_left=left))

        return listen

    kernels = tuple(
        build_kernel(requests[c.name], say, detail, counted(c.name))
        if isinstance(c, VariantSpec)
        else adopted[c.name]
        for c in chosen
    )
    return StageResult(
        kernels=kernels,
        bench=build_bench(requests[base.name], say, detail) if bench else None,
        selftests=build_selftests(requests[base.name], say, detail) if selftests else None,
    )
