# SPDX-License-Identifier: GPL-2.0-only
"""Modules in a guest are laid out as their files let one expect, to the page."""

from pathlib import Path

import pytest

from harness.kernel.module_anatomy import PAGE, STAYS, layout
from harness.kernel.module_sections import read
from harness.tests.vm.bare import console_of, kernel, tagged

pytestmark = pytest.mark.vm

LOADED = (
    "loop.ko", "null_blk.ko", "minix.ko", "squashfs.ko", "fuse.ko", "md4.ko", "serpent_generic.ko",
    "netdevsim.ko", "ifb.ko", "sch_tbf.ko",
)  # fmt: skip


def test_the_anatomy_of_modules_is_that_of_the_kernel(tmp_path: Path) -> None:
    script = "".join(f"insmod /{name}\n" for name in LOADED) + "sed 's/^/MODULE /' /proc/modules\n"
    console = console_of("upstream", script, tmp_path, modules=LOADED)
    sizes = {line.split()[0]: int(line.split()[1]) for line in tagged(console, "MODULE ")}
    assert len(sizes) >= 8
    folder = kernel("upstream").modules
    assert folder is not None
    expected = {}
    for path in folder.rglob("*.ko"):
        module = read(path)
        if module.name in sizes:
            parts = layout(module)
            expected[module.name] = sum(-(-parts[part] // PAGE) * PAGE for part in STAYS)
    assert expected == sizes
