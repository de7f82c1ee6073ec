# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU may still do once the guest runs, which may be a kernel of anybody's: it has opened
its files, and needs no other, no program and no right."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness import proc
from harness.itlb.plugin import QEMU

SANDBOX = "on,obsolete=deny,spawn=deny,resourcecontrol=deny"
"""QEMU's filter of system calls: no other program, no other priority or CPU."""
NOBODY = 65534
"""User and group that own nothing."""
_CAPABILITIES = (6, 7, 18)
"""CAP_SETGID, CAP_SETUID, CAP_SYS_CHROOT (include/uapi/linux/capability.h)."""


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
    """Whether QEMU was built with its filter of system calls, and the kernel takes one.

    Raises PrerequisiteError without QEMU.
    """
    built = "\n-sandbox on" in proc.run([QEMU, "-help"]).stdout
    return built and "Seccomp" in _status()


def may_change_user(status: Mapping[str, str], users: str, groups: str, setgroups: str) -> bool:
    """Whether a process of root's may become nobody in another root: in a container it may not,
    always.

    ``status`` is its /proc/self/status by name, the others are uid_map, gid_map and setgroups
    beside it (user_namespaces(7)).
    """
    allowed = int(status.get("CapEff", "0"), 16)
    return (
        all(allowed >> capability & 1 for capability in _CAPABILITIES)
        and _maps_nobody(users)
        and _maps_nobody(groups)
        and setgroups.strip() != "deny"
    )


def of_machine(folder: Path) -> Confinement:
    """The tightest that this machine's QEMU can be held; in ``folder`` is place for an empty one.

    Raises PrerequisiteError without QEMU, OSError where there is none.
    """
    root = None
    if os.geteuid() == 0 and may_change_user(
        _status(), *(_own(name) for name in ("uid_map", "gid_map", "setgroups"))
    ):
        root = folder / "empty"
        root.mkdir(mode=0o755, exist_ok=True)
    return Confinement(sandbox=has_sandbox(), root=root)


def _status() -> dict[str, str]:
    pairs = (line.partition(":") for line in _own("status").splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _own(name: str) -> str:
    try:
        return Path("/proc/self", name).read_text()
    except OSError:
        return ""


def _maps_nobody(text: str) -> bool:
    ranges = [[int(word) for word in line.split()] for line in text.splitlines()]
    return any(inside <= NOBODY < inside + count for inside, _, count in ranges)
