# SPDX-License-Identifier: GPL-2.0-only
"""Copies of what a run takes from the checkout, so that it is what it was from start to end.

Trials begin hours after one another; an edit of a workload, the agent or a CPU profile
meanwhile must not get into the later ones.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.image import guest_layers as image
from harness.itlb import plugin as itlb
from harness.model.specs import WorkloadSpec


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """The copies: the agent's layer, the CPU profile, the workloads' folders by name."""

    agent: image.Layer
    profile: Path
    workloads: dict[str, tuple[WorkloadSpec, Path]]


def freeze(workloads: tuple[tuple[WorkloadSpec, Path], ...], profile: str, folder: Path) -> Frozen:
    """Copy everything into ``folder``. Raises UserError for a profile that is not there,
    OSError when the copying fails."""
    original = itlb.profile_path(profile)
    copies = {spec.name: folder / "workloads" / spec.name for spec, _ in workloads}
    for spec, source in workloads:
        shutil.copytree(source, copies[spec.name], symlinks=True)
    shutil.copyfile(original, folder / original.name)
    return Frozen(
        agent=image.agent_layer(folder / "agent.cpio"),
        profile=folder / original.name,
        workloads={spec.name: (spec, copies[spec.name]) for spec, _ in workloads},
    )
