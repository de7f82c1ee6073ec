# SPDX-License-Identifier: GPL-2.0-only
"""Loops over processes in a real guest with isolation; test_validate.py has those without.

Walks follow from how many tags a buffer keeps: four, as on skylake-sp, or all, as on zen3.
"""

from pathlib import Path

import pytest

from harness.image.compiled import build_program
from harness.itlb import known_processes
from harness.itlb import plugin as itlb
from harness.pipeline import Progress, prepare, process_guest
from harness.pipeline.loop_guest import LoopGuest

pytestmark = pytest.mark.vm


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(name, marks=() if name in ("skylake-sp", "zen3") else pytest.mark.long)
        for name in itlb.profiles()
    ],
)
def test_every_walk_is_counted(profile: str, tmp_path: Path) -> None:
    guest = LoopGuest(
        image=prepare.kernels("bpf_prog_pack", Progress(quiet=True), bench=False).kernels[0].image,
        plugin=itlb.build_plugin().path,
        program=build_program(process_guest.PROGRAM),
        profile=profile,
        pti="on",
        source=process_guest.PROGRAM,
    )
    checks = process_guest.check(guest, process_guest.contexts_offset(guest.image), tmp_path)
    assert len(checks) == len(known_processes.LOOPS) + 8  # the kernel's page where nobody goes
    assert [check for check in checks if not check.exact] == []
