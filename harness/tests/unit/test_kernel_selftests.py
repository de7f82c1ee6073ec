# SPDX-License-Identifier: GPL-2.0-only
"""Building the base's BPF self-tests: what is chosen, and the command line."""

from pathlib import Path

from harness.kernel import bpf_tree, selftests
from harness.tests.golden import assert_golden


def test_command_line() -> None:
    site = bpf_tree.Site(
        name="selftests",
        linux=Path("/cache/linux"),
        out=Path("/cache/out"),
        btf=Path("/cache/vmlinux.btf"),
        clang="clang-14",
        path="/llvm/bin:/bin",
        jobs=2,
    )
    argv = selftests.make_argv(site, ("a",))
    assert_golden("kernel/selftests.argv", "\n".join(argv) + "\n")


def test_each_test_is_named_once() -> None:
    names = selftests.tests()
    assert len(set(names)) == len(names) > 50
    assert set(names) >= {"fexit_sleep", "trampoline_count", "tailcalls", "xdp", "dummy_st_ops"}


def test_programs_are_those_that_the_tests_name() -> None:
    texts = [
        '#include "fentry_test.lskel.h"\n#include "fexit_test.skel.h"\n#include <other.skel.h>',
        'x = bpf_prog_test_load("./tailcall1.bpf.o"); y = "gone.bpf.o"; z = "sock.bpf.o";',
    ]
    known = ["fentry_test", "fexit_test", "tailcall1", "sock", "unused"]
    used, opened = selftests.programs_of(texts, known)
    assert used == {"fentry_test", "fexit_test", "tailcall1", "sock"}
    assert opened == {"tailcall1", "sock"}
