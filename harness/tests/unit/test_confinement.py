# SPDX-License-Identifier: GPL-2.0-only
"""How QEMU is held, by who starts it and what it was built with; a guest's is in the VM tests."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.targets.qemu import confinement
from harness.targets.qemu.argv import qemu_argv
from harness.targets.qemu.confinement import UNCONFINED, Confinement
from harness.targets.qemu.qemu_target import vm_request
from harness.targets.target import Payload
from harness.tests.unit.test_targets import payload as payload


def test_root_becomes_nobody_in_an_empty_folder() -> None:
    held = Confinement(sandbox=True, root=Path("/work,1/empty"))
    assert held.words == (
        *("-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny"),
        *("-run-with", "chroot=/work,,1/empty,user=65534:65534"),
    )
    assert replace(held, sandbox=False).words[0] == "-run-with"


def test_anybody_else_gets_no_rights() -> None:
    (_, filtered) = Confinement(sandbox=True).words
    assert filtered.endswith(",elevateprivileges=deny")
    assert UNCONFINED.words == ()


ALL = "000001ffffffffff"
WHOLE = "         0          0 4294967295\n"


@pytest.mark.parametrize(
    ("capabilities", "users", "setgroups", "may"),
    [
        (ALL, WHOLE, "allow\n", True),
        (ALL, "0 100000 65536\n", "allow\n", True),
        (ALL, "0 1000 1\n", "deny\n", False),  # unshare -r
        (ALL, "0 1000 1\n1 100000 65536\n", "allow\n", True),
        (ALL, WHOLE, "deny\n", False),
        ("00000000a80425fb", WHOLE, "allow\n", True),  # what Docker leaves
        ("0000000000000000", WHOLE, "allow\n", False),
        ("", "", "", False),
    ],
)
def test_root_in_a_container(capabilities: str, users: str, setgroups: str, may: bool) -> None:
    status = {"CapEff": capabilities} if capabilities else {}
    assert confinement.may_change_user(status, users, users, setgroups) == may


@pytest.mark.parametrize("user", [0, 1000])
def test_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int) -> None:
    monkeypatch.setattr("os.geteuid", lambda: user)
    monkeypatch.setattr(confinement, "has_sandbox", lambda: True)
    monkeypatch.setattr(confinement, "may_change_user", lambda *_: True)
    held = confinement.of_machine(tmp_path)
    assert confinement.of_machine(tmp_path) == held
    assert held.root == (None if user else tmp_path / "empty")
    assert (tmp_path / "empty").exists() == (not user)
    assert not list(tmp_path.glob("*/*"))


def test_the_words_are_of_the_command_line(payload: Payload) -> None:
    held = Confinement(sandbox=True)
    argv = qemu_argv(vm_request(payload), held)
    assert argv[argv.index("-sandbox") + 1] == held.words[1]
