# SPDX-License-Identifier: GPL-2.0-only
"""Replaying a recorded trace for any CPU profile and policy."""

from dataclasses import dataclass
from pathlib import Path

from harness import proc
from harness.errors import DataError
from harness.itlb import build


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the model is told beside the profile; the plugin's options of these names."""

    pcid: str = "tagged"  # tagged | flush
    kernel_image: str = "tables"  # tables | pcid
    data_side: bool = False  # the trace must have been recorded with loads and stores
    reserve: int = 0  # ways of a shared second level that are left to data
    hits: bool = False  # sites count first-level hits too


def replay(trace: Path, profile: Path, policy: Policy, out: Path) -> Path:
    """Write to ``out`` the report that the plugin would have written, and return ``out``.

    Whether the guest ran with page-table isolation is in the trace. Raises DataError for
    a trace that is cut short, damaged or of another version, or a profile that is none;
    PrerequisiteError without a compiler.
    """
    options = {
        "trace": trace,
        "profile": profile,
        "out": out,
        "pcid": policy.pcid,
        "kernel_image": policy.kernel_image,
        "data": "on" if policy.data_side else "off",
        "reserve": policy.reserve,
        "hits": "on" if policy.hits else "off",
    }
    argv = [str(build.build_replay()), *(f"{key}={value}" for key, value in options.items())]
    done = proc.run(argv, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise DataError(lines[-1] if lines else f"replay ended with {done.returncode}")
    return out
