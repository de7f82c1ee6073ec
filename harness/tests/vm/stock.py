# SPDX-License-Identifier: GPL-2.0-only
"""A kernel as Debian built it, for tests that need one that is not ours."""

import re
import shutil
from pathlib import Path

import pytest

from harness import proc

STOCK = re.compile(r"^(linux-image-6\.1\.0-(\d+)-amd64-unsigned) ", re.MULTILINE)


def stock_kernel(folder: Path) -> Path:
    """The newest stock Debian 6.1 that this machine's apt knows (70 MB), unpacked in ``folder``.

    Skips the test where there is none.
    """
    if not shutil.which("apt-cache"):
        pytest.skip("needs apt")
    listing = proc.run(["apt-cache", "search", "--names-only", "^linux-image-6.1.0-"]).stdout
    names = sorted(STOCK.findall(listing), key=lambda match: int(match[1]))
    if not names:
        pytest.skip("apt knows no stock 6.1 kernel")
    proc.run(["apt-get", "download", names[-1][0]], cwd=folder)
    (package,) = folder.glob("*.deb")
    proc.run(["dpkg-deb", "-x", str(package), str(folder)])
    return folder
