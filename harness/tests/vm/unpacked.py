# SPDX-License-Identifier: GPL-2.0-only
"""Programs of Debian packages in a folder: nothing of this machine is changed for a test."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness import proc


def unpacked(packages: Sequence[str], folder: Path) -> Path:
    """The files of ``packages``, as this machine's apt has them, below ``folder``."""
    if not shutil.which("apt-get"):
        pytest.skip("needs apt")
    files = folder / "packages"
    files.mkdir(parents=True)
    proc.run(["apt-get", "download", *packages], cwd=files)
    for package in files.glob("*.deb"):
        proc.run(["dpkg-deb", "-x", str(package), str(folder / "root")])
    return folder / "root"
