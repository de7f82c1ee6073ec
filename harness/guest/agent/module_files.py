# SPDX-License-Identifier: GPL-2.0-only
"""The modules that the guest has files of."""

import os
from pathlib import Path

FOLDER = Path("/lib/modules")
ENDINGS = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")
"""As they are, or packed as distributions do."""


def folder() -> Path:
    """Where the modules of the running kernel are."""
    return FOLDER / os.uname().release


def names(place: Path) -> list[str]:
    """Names of the modules below ``place``, sorted; none on a kernel without modules."""
    files = (path.name for path in place.rglob("*.ko*") if path.name.endswith(ENDINGS))
    return sorted({name.partition(".ko")[0].replace("-", "_") for name in files})
