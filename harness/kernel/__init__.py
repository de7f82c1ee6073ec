# SPDX-License-Identifier: GPL-2.0-only
"""Kernels: from what the user names to images that boot, and what to run on them.

``make_kernels`` is the whole stage; ``resolve``, ``adopt``, ``build_kernel``, ``build_bench``
and ``build_selftests`` are its steps. All raise errors of ``harness.errors`` only.
"""

from harness.kernel.adopt import adopt
from harness.kernel.artefacts import Bench, Kernel, Selftests, UserKernel
from harness.kernel.bench import base_variant, build_bench
from harness.kernel.build import KernelRequest, build_kernel, plan
from harness.kernel.resolve import resolve
from harness.kernel.selftests import build_selftests
from harness.kernel.stage import StageRequest, StageResult, make_kernels
from harness.kernel.steps import Steps

__all__ = [
    "Bench",
    "Kernel",
    "KernelRequest",
    "Selftests",
    "StageRequest",
    "StageResult",
    "Steps",
    "UserKernel",
    "adopt",
    "base_variant",
    "build_bench",
    "build_kernel",
    "build_selftests",
    "make_kernels",
    "plan",
    "resolve",
]
