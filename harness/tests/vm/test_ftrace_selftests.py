# SPDX-License-Identifier: GPL-2.0-only
"""The base's own tests of kprobes and of function tracing, on builds that make their text in
other ways: what passes on the base passes there."""

import os
import re
from functools import cache
from pathlib import Path

import pytest

from harness.cache import WORK_TREES, Kind
from harness.image import cpio
from harness.kernel import source
from harness.model.trial_settings import Mode
from harness.paths import cache_dir
from harness.tests.vm.bare import SPLAT, console_of, tagged

pytestmark = [pytest.mark.vm, pytest.mark.long]

BASE = "bpf_prog_pack"
GROUPS = ("00basic", "direct", "dynevent", "ftrace", "instances", "kprobe")
SCRIPT = f"""\
mkdir -p /tmp /sbin /usr/bin; mount -t tracefs tracefs /sys/kernel/tracing
ln -s /bin/busybox /usr/bin/env
dmesg -n 1 # not into the middle of a line
cd /ftrace && sh ./ftracetest -l /tmp/logs {" ".join(f"test.d/{group}" for group in GROUPS)} 2>&1
dmesg | sed 's/^/LOG /'
"""


@cache
def selftests() -> Path:
    found = source.locate(
        "linux-source-6.1", os.environ.get("KERNEL_SRC"), cache_dir() / Kind.DEBIAN, print
    )
    tree = source.unpack(found, (cache_dir() / WORK_TREES).resolve(), print)
    return tree.linux / "tools/testing/selftests/ftrace"


@cache
def verdicts(kernel: str, folder: Path, append: tuple[str, ...] = ()) -> dict[str, str]:
    """Test -> its verdict, on ``kernel``, which must print nothing that is wrong."""
    folder.mkdir()
    console = console_of(
        # A vCPU that the host does not run for some time is no fault of the kernel.
        kernel, SCRIPT, folder, append=("nosoftlockup", *append), mode=Mode.FAST, smp=2,
        timeout_s=1800,
        files=(cpio.directory("ftrace"), *cpio.from_tree(selftests(), prefix="ftrace/")),
    )  # fmt: skip
    assert [line for line in tagged(console, "LOG ") if re.search(SPLAT, line)] == []
    return dict(re.findall(r"^\[\d+\] (.+)\t\[(\w+)\]", console, re.MULTILINE))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return verdicts(BASE, tmp_path_factory.getbasetemp() / "base")


def test_the_bases_tests_say_something(base: dict[str, str]) -> None:
    passed = [name for name, verdict in base.items() if verdict == "PASS"]
    assert len(passed) > 50
    assert any("kprobe" in name.lower() for name in passed)
    assert any(name.startswith("ftrace") for name in passed)


@pytest.mark.parametrize(
    ("kernel", "append"),
    [
        ("upstream", ()),
        ("execmem", ()),
        ("execmem-all-text", ()),
        ("execmem-all-text", ("execmem=private,notail",)),
    ],
    ids=["upstream", "execmem", "all-text", "all-text-private"],
)
def test_what_passes_on_the_base_passes(
    base: dict[str, str], kernel: str, append: tuple[str, ...], tmp_path: Path
) -> None:
    found = verdicts(kernel, tmp_path / "boot", append)
    assert found.keys() == base.keys()
    worse = {
        name: (was, found[name])
        for name, was in base.items()
        if was == "PASS" and found[name] != "PASS"
    }
    assert not worse
