# SPDX-License-Identifier: GPL-2.0-only
"""The root file system of a trial: its layers, in the order in which they overlay each other."""

from harness.image import guest_layers as image
from harness.targets.target import Payload


def layers(payload: Payload) -> list[image.Layer]:
    """All of them; the last two are written in the work folder. Raises OSError."""
    own = payload.kernel_files
    return [
        *payload.layers,
        image.kernel_layer(
            payload.work / "kernel.cpio",
            modules=own.modules,
            module_files=own.module_files,
            headers=own.headers,
            files=own.programs,
        ),
        image.trial_layer(payload.work / "trial.cpio", payload.document, payload.workload),
    ]
