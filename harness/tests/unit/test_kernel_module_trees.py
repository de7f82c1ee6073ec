# SPDX-License-Identifier: GPL-2.0-only
"""Modules of the user's own kernels: found beside the image or in the tree, and chosen."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel import module_trees

DEP = """\
kernel/net/sched/cls_bpf.ko.xz:
kernel/drivers/net/veth.ko.xz: kernel/net/core/page_pool.ko.xz
kernel/net/core/page_pool.ko.xz:
kernel/net/sched/act-bpf.ko: kernel/net/sched/cls_bpf.ko.xz kernel/lib/crc.ko
kernel/lib/crc.ko:
"""


def test_a_module_brings_what_it_needs() -> None:
    needed = module_trees.dependencies(DEP)
    assert module_trees.wanted(needed, ["veth"]) == (
        "kernel/drivers/net/veth.ko.xz",
        "kernel/net/core/page_pool.ko.xz",
    )
    assert len(module_trees.wanted(needed, ["act_b*"])) == 3
    assert module_trees.wanted(needed, ["nosuch"]) == ()
    assert module_trees.wanted(needed, []) == ()


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=4)))
def test_all_of_them_is_all_that_there_is(needed: dict[str, list[str]]) -> None:
    every = set(needed) | {file for files in needed.values() for file in files}
    assert module_trees.wanted(needed, ["*"]) == tuple(sorted(every if needed else ()))


def folder(base: Path, release: str = "6.1") -> Path:
    place = base / "lib/modules" / release
    (place / "kernel/net/sched").mkdir(parents=True)
    (place / "modules.dep").write_text("kernel/net/sched/cls_bpf.ko:\n")
    (place / "modules.dep.bin").write_bytes(b"index")
    (place / "kernel/net/sched/cls_bpf.ko").write_bytes(b"module")
    return place


def test_the_files_of_a_guest(tmp_path: Path) -> None:
    place = folder(tmp_path)
    assert module_trees.files_for(place, ["cls_bpf"]) == (
        "kernel/net/sched/cls_bpf.ko",
        "modules.dep",
        "modules.dep.bin",
    )
    assert module_trees.files_for(place, ["veth"]) == ()
    assert module_trees.files_for(tmp_path, ["*"]) == ()


@pytest.mark.parametrize("image", ["boot/vmlinuz-6.1", "vmlinuz", "lib/modules/6.1/vmlinuz"])
@pytest.mark.parametrize("base", ["", "usr"])
def test_modules_beside_an_image(tmp_path: Path, image: str, base: str) -> None:
    folder(tmp_path / base)
    assert module_trees.beside(tmp_path / image, "6.1") == tmp_path / base
    assert module_trees.beside(tmp_path / image, "6.2") is None
    assert module_trees.beside(tmp_path / image, "") is None


@pytest.mark.parametrize("listed", ["drivers/net/dummy.ko\n", "drivers/net/dummy.o\n"])
def test_modules_of_a_built_tree(tmp_path: Path, listed: str) -> None:
    tree, store = tmp_path / "linux", tmp_path / "modules"
    module = tree / "drivers/net/dummy.ko"
    module.parent.mkdir(parents=True)
    (tmp_path / "dummy.c").write_text("int dummy(void) { return 1; }\n")
    subprocess.run(["gcc", "-g", "-c", "-o", module, tmp_path / "dummy.c"], check=True)
    (tree / "modules.order").write_text(listed + "drivers/net/not_built.ko\n")
    lines: list[str] = []
    made = module_trees.of_tree(tree, "6.9", store, lines.append)
    assert made is not None
    copied = made / "lib/modules/6.9/kernel/drivers/net/dummy.ko"
    assert 0 < copied.stat().st_size < module.stat().st_size
    assert (made / "lib/modules/6.9/modules.dep").is_file()
    assert lines == [f"copying 1 modules of {tree}"]
    assert module_trees.of_tree(tree, "6.9", store, lines.append) == made
    assert len(lines) == 1


def test_a_tree_without_modules(tmp_path: Path) -> None:
    assert module_trees.of_tree(tmp_path, "6.9", tmp_path / "store", print) is None
