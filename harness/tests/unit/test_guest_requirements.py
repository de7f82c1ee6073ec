# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel lacks, by what is missing in the guest."""

import os
from pathlib import Path

import pytest

from harness.guest.agent import bpf, requirements
from harness.guest.agent.requirements import KernelLacks

ISOLATING = "processor\t: 0\nflags\t\t: fpu nx pti smep\nbugs\t\t:\n"
SHARING = ISOLATING.replace(" pti", "")


def kernel(root: Path, *without: str) -> Path:
    """A root with every feature but some."""
    for name, feature in requirements.FEATURES.items():
        if name not in without:
            path = root / feature.paths[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return root


def test_a_kernel_with_everything_lacks_nothing(tmp_path: Path) -> None:
    names = list(requirements.FEATURES)
    assert requirements.missing(names, kernel(tmp_path)) == []
    requirements.require(*names, root=tmp_path)


@pytest.mark.parametrize(
    ("name", "option"),
    [
        (requirements.JIT, "CONFIG_BPF_JIT=y"),
        (requirements.KPROBES, "CONFIG_KPROBE_EVENTS=y"),
        (requirements.TERMINALS, "CONFIG_UNIX98_PTYS=y"),
        (requirements.BTF, "CONFIG_DEBUG_INFO_BTF=y"),
        (requirements.ERROR_INJECTION, "CONFIG_FUNCTION_ERROR_INJECTION=y"),
    ],
)
def test_each_feature_names_its_option(tmp_path: Path, name: str, option: str) -> None:
    root = kernel(tmp_path, name)
    with pytest.raises(KernelLacks, match=option):
        requirements.require(*requirements.FEATURES, root=root)


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    root = kernel(tmp_path, "terminals", "kprobes")
    with pytest.raises(KernelLacks) as caught:
        requirements.require("terminals", "kprobes", "btf", root=root)
    assert str(caught.value) == (
        "this kernel has no pseudo-terminals and no kprobes for perf_event_open(2): build it with "
        "CONFIG_TTY=y and CONFIG_UNIX98_PTYS=y; "
        "CONFIG_KPROBES=y, CONFIG_PERF_EVENTS=y and CONFIG_KPROBE_EVENTS=y"
    )


def test_no_bpf(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> list[dict[str, object]]:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(bpf, "programs", refused)
    with pytest.raises(KernelLacks, match=r"no bpf\(2\) .*: build it with CONFIG_BPF_SYSCALL=y"):
        requirements.check_kernel("on")


def test_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> tuple[int, int]:
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(os, "openpty", refused)
    monkeypatch.setattr(requirements, "missing", lambda names: list(names))
    with pytest.raises(KernelLacks, match="CONFIG_UNIX98_PTYS=y"):
        requirements.open_terminal()
    monkeypatch.setattr(requirements, "missing", lambda names: [])
    with pytest.raises(KernelLacks, match="no pseudo-terminal: No such file"):
        requirements.open_terminal()


@pytest.mark.parametrize(
    ("cpuinfo", "meltdown", "isolating"),
    [
        (ISOLATING, "Not affected\n", True),
        (ISOLATING, "Mitigation: PTI\n", True),
        (SHARING, "Mitigation: PTI\n", True),
        (SHARING, "Vulnerable\n", False),
        (SHARING, "Not affected\n", False),
        (SHARING.replace("nx", "nptix"), "", False),
        ("", "", False),
    ],
)
def test_isolation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cpuinfo: str, meltdown: str, isolating: bool
) -> None:
    assert requirements.isolates(cpuinfo, meltdown) is isolating
    monkeypatch.setattr(bpf, "programs", list)
    root = kernel(tmp_path)
    files = {"proc/cpuinfo": cpuinfo}
    files["sys/devices/system/cpu/vulnerabilities/meltdown"] = meltdown
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    asked = "on" if isolating else "off"
    requirements.check_kernel(asked, root)
    other = "off" if isolating else "on"
    with pytest.raises(KernelLacks, match=f"pti={other} was asked for.* --pti {asked}"):
        requirements.check_kernel(other, root)


def test_no_isolation_names_both_options() -> None:
    with pytest.raises(KernelLacks) as caught:
        requirements.check_isolation("on", SHARING, "Vulnerable\n")
    assert "CONFIG_PAGE_TABLE_ISOLATION" in str(caught.value)
    assert "CONFIG_MITIGATION_PAGE_TABLE_ISOLATION" in str(caught.value)


class NetlinkError(Exception):
    """As pyroute2's: the number is ``code``."""

    def __init__(self, code: int) -> None:
        super().__init__(code, os.strerror(code))
        self.code = code


@pytest.mark.parametrize("error", [NetlinkError(95), OSError(2, "No such file")])
def test_what_only_trying_tells(error: Exception) -> None:
    with pytest.raises(KernelLacks) as caught, requirements.needing("veth", "CONFIG_VETH=y"):
        raise error
    assert "this kernel has no veth (" in str(caught.value)
    assert str(caught.value).endswith("build it with CONFIG_VETH=y, or give its modules")


@pytest.mark.parametrize("error", [NetlinkError(17), OSError(12, "No memory"), ValueError("x")])
def test_another_error_is_not_something_lacking(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, requirements.needing("veth", "CONFIG_VETH=y"):
        raise error
    assert caught.value is error
