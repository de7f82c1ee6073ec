# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU may still do once the guest runs, which may be a kernel of anybody's: it has opened
its files, and needs no other, no program and no right."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness import proc
from harness.itlb.plugin import QEMU

SANDBOX = "on,obsolete=deny,spawn=deny,resourcecontrol=deny"
"""QEMU's filter of system calls: no other program, no other priority or CPU."""
NOBODY = 65534
"""User and group that own nothing."""


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """How QEMU is held. ``root``: an empty folder that becomes its root, where it is started by
    root, who it is no longer then; None: it stays who it is, and gets no other rights."""

    sandbox: bool
    root: Path | None = None

    @property
    def words(self) -> tuple[str, ...]:
        """Of QEMU's command line."""
        if self.root is None:  # a filter that stands before QEMU has changed its user forbids that
            filtered = ("-sandbox", f"{SANDBOX},elevateprivileges=deny")
        else:
            filtered = ("-sandbox", SANDBOX)
        place = str(self.root).replace(",", ",,")
        change = ("-run-with", f"chroot={place},user={NOBODY}:{NOBODY}")
        return (*(filtered if self.sandbox else ()), *(change if self.root else ()))


UNCONFINED = Confinement(sandbox=False)


@cache
def has_sandbox() -> bool:
    """Whether this machine's QEMU was built with its filter of system calls.

    Raises PrerequisiteError without QEMU.
    """
    return "\n-sandbox on" in proc.run([QEMU, "-help"]).stdout


def of_machine(folder: Path) -> Confinement:
    """The tightest that this machine's QEMU can be held; in ``folder`` is place for an empty one.

    Raises PrerequisiteError without QEMU, OSError where there is none.
    """
    root = None
    if os.geteuid() == 0:
        root = folder / "empty"
        root.mkdir(mode=0o755, exist_ok=True)
    return Confinement(sandbox=has_sandbox(), root=root)
