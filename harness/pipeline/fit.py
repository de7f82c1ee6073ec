# SPDX-License-Identifier: GPL-2.0-only
"""Which workloads a kernel can run, as far as its configuration tells before it is booted."""

from collections.abc import Callable, Iterable

from harness.config import definitions
from harness.errors import UserError
from harness.kernel import Kernel, kconfig
from harness.model.specs import WorkloadSpec

ISOLATION = ("CONFIG_PAGE_TABLE_ISOLATION", "CONFIG_MITIGATION_PAGE_TABLE_ISOLATION")
"""Page-table isolation, under its name before and since Linux 6.8."""


def missing(kernel: Kernel, workload: WorkloadSpec, pti: str) -> tuple[str, ...]:
    """What ``kernel`` lacks for ``workload`` booted with ``pti``; empty where nothing is known."""
    absent: list[str] = []
    if kernel.options is not None:
        at_hand = kernel.modules is not None
        absent += kconfig.unmet(kernel.options, workload.needs, with_modules=at_hand)
        if pti == "on" and not any(kernel.options.get(name) == "y" for name in ISOLATION):
            absent.append(" or ".join(ISOLATION))
    if "bcc" in workload.layers and kernel.kheaders is None:
        absent.append("its headers (CONFIG_IKHEADERS, and the folder that it was built in)")
    return tuple(absent)


def unfit(kernel: Kernel, workload: WorkloadSpec, pti: str) -> str:
    """Why ``kernel`` cannot run ``workload`` with ``pti``, in one line; "" when it can."""
    absent = missing(kernel, workload, pti)
    if not absent:
        return ""
    known = [definitions.workload(name)[0] for name in definitions.workload_folders()]
    able = [other.name for other in known if not missing(kernel, other, "off")]
    return (
        f"kernel {kernel.name} lacks {', '.join(absent)}, which {workload.name} with pti={pti} "
        f"needs: build it with that; with pti=off it can run: {', '.join(able) or 'no workload'}"
    )


def checker(workloads: Iterable[WorkloadSpec], settings: Iterable[str]) -> Callable[[Kernel], None]:
    """A check of a kernel for ``workloads`` at each pti of ``settings``.

    It raises UserError where the kernel can run none of them: then nothing need be built.
    """
    pairs = [(workload, pti) for workload in workloads for pti in settings]

    def check(kernel: Kernel) -> None:
        reasons = [unfit(kernel, workload, pti) for workload, pti in pairs]
        if reasons and all(reasons):
            raise UserError(reasons[0])

    return check
