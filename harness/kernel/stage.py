# SPDX-License-Identifier: GPL-2.0-only
"""The stage as a whole: every kernel of a run, and bench, from one request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.kernel.adopt import adopt
from harness.kernel.artefacts import Bench, Kernel, Selftests
from harness.kernel.bench import base_variant, build_bench
from harness.kernel.build import KernelRequest, Say, build_kernel, ignore
from harness.kernel.resolve import resolve
from harness.kernel.selftests import build_selftests
from harness.model import VariantSpec


@dataclass(frozen=True, kw_only=True)
class StageRequest:
    """Which kernels, and from what. ``kernels`` is the user's KERNEL=, None for all."""

    variants: Mapping[str, VariantSpec]
    configs: Path  # holds patches/ and kconfig/
    cache: Path
    jobs: int  # compilers side by side
    kernels: str | None = None
    source: str | None = None  # the user's KERNEL_SRC=


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """The kernels in the order asked for; bench and the self-tests where they were wanted."""

    kernels: tuple[Kernel, ...]
    bench: Bench | None
    selftests: Selftests | None = None


def _request(request: StageRequest, variant: VariantSpec) -> KernelRequest:
    return KernelRequest(
        variant=variant,
        configs=request.configs,
        cache=request.cache,
        jobs=request.jobs,
        source=request.source,
    )


def make_kernels(
    request: StageRequest,
    say: Say = ignore,
    detail: Say = ignore,
    *,
    bench: bool = True,
    selftests: bool = False,
    check: Callable[[Kernel], None] = lambda _: None,
) -> StageResult:
    """Make every kernel of ``request`` ready to boot; with ``bench`` that program, with
    ``selftests`` the base's BPF self-tests.

    All names and images are checked before anything is built, and the user's own kernels with
    ``check``, which raises for one that is of no use. Raises the errors of ``resolve``,
    ``adopt``, ``check``, ``build_kernel``, ``build_bench`` and ``build_selftests``.
    """
    packages, modules = request.cache / "packages", request.cache / "modules"
    chosen = resolve(request.kernels, request.variants, packages, say)
    adopted = {c.name: adopt(c, modules, say) for c in chosen if not isinstance(c, VariantSpec)}
    for kernel in adopted.values():
        check(kernel)
    kernels = tuple(
        build_kernel(_request(request, c), say, detail)
        if isinstance(c, VariantSpec)
        else adopted[c.name]
        for c in chosen
    )
    base = _request(request, base_variant(request.variants))
    return StageResult(
        kernels=kernels,
        bench=build_bench(base, say, detail) if bench else None,
        selftests=build_selftests(base, say, detail) if selftests else None,
    )
