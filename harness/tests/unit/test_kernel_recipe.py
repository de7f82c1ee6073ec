# SPDX-License-Identifier: GPL-2.0-only
"""Command lines of the kernel and bench builds (golden), tool checks, content addresses."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import PrerequisiteError
from harness.kernel import bench, bpf_tree, recipe
from harness.model import VariantSpec
from harness.tests.golden import assert_golden

TOOLS = recipe.Tools(
    gcc="gcc (Debian 12.2.0-14) 12.2.0", ld="GNU ld 2.40", pahole="v1.24", make="GNU Make 4.3",
    ccache=False,
)  # fmt: skip
LINUX = Path("/cache/kernel-build/0123/linux")


def key(**changed: object) -> str:
    inputs: dict[str, object] = {
        "base": "b" * 64,
        "patches": ["1" * 64, "2" * 64],
        "options": {"CONFIG_A": "y"},
        "tools": TOOLS,
    }
    inputs |= changed
    return recipe.kernel_key(
        inputs["base"], inputs["patches"], inputs["options"], inputs["tools"]  # type: ignore[arg-type]
    )  # fmt: skip


def test_kernel_command_line() -> None:
    argv = recipe.make(
        LINUX, "out-0", ["bzImage", "modules"], jobs=2, pahole="v1.24", ccache=Path("/cache/ccache")
    )
    assert_golden("kernel/kernel.argv", "\n".join(argv) + "\n")


def test_the_output_tree_leaves_no_trace() -> None:
    """Compilers see the same mapped paths whichever output tree is built in."""
    seen = set()
    for out in ("out-0", "out-1"):
        argv = recipe.make(LINUX, out, [], jobs=1, pahole="v1.24", ccache=None)
        (flags,) = (word for word in argv if word.startswith("KCFLAGS="))
        maps = dict(flag.split("=")[1:] for flag in flags.removeprefix("KCFLAGS=").split())
        seen.add((maps[str(LINUX)], maps[str(LINUX / out)]))
        assert list(maps) == [str(LINUX), str(LINUX / out)], "gcc takes the last that fits"
    assert seen == {("/linux", "/linux/out")}


def test_modules_command_line_without_ccache() -> None:
    argv = recipe.make(
        LINUX, "out-0", ["modules_install"], jobs=1, pahole="v1.25", ccache=None,
        variables={"INSTALL_MOD_PATH": "/entry/modules", "INSTALL_MOD_STRIP": "1"},
    )  # fmt: skip
    assert_golden("kernel/modules.argv", "\n".join(argv) + "\n")


def test_bench_command_line() -> None:
    site = bpf_tree.Site(
        name="bench",
        linux=LINUX,
        out=Path("/cache/out"),
        btf=Path("/cache/vmlinux.btf"),
        clang="clang-14",
        path="/llvm/bin:/bin",
        jobs=2,
    )
    argv = bench.make_argv(site)
    assert_golden("kernel/bench.argv", "\n".join(argv) + "\n")


@pytest.mark.parametrize(
    "changed",
    [
        {"base": "c" * 64},
        {"patches": ["2" * 64, "1" * 64]},
        {"patches": ["1" * 64]},
        {"options": {"CONFIG_A": "m"}},
        {"options": {"CONFIG_A": "y", "CONFIG_B": "n"}},
        {"tools": replace(TOOLS, gcc="gcc 13")},
        {"tools": replace(TOOLS, ld="GNU ld 2.41")},
        {"tools": replace(TOOLS, pahole="v1.25")},
    ],
)
def test_every_input_moves_the_key(changed: dict[str, object]) -> None:
    assert key(**changed) != key()


def test_what_changes_no_byte_does_not_move_the_key() -> None:
    assert key(tools=replace(TOOLS, ccache=True)) == key()
    assert key(options={"CONFIG_B": "y", "CONFIG_A": "y"}) == key(
        options={"CONFIG_A": "y", "CONFIG_B": "y"}
    )


def test_the_recipe_is_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setattr(recipe, "TIMESTAMP", "2023-01-01 00:00:00 UTC")
    assert key() != before


@pytest.mark.parametrize(
    ("version", "flags"),
    [
        ("v1.16", ""),
        ("v1.21", "--skip_encoding_btf_vars --btf_gen_floats"),
        ("v1.24", "--btf_gen_floats --lang_exclude=rust"),
        (
            "v1.25\n",
            "--btf_gen_floats --lang_exclude=rust"
            " --skip_encoding_btf_inconsistent_proto --btf_gen_optimized",
        ),
    ],
)
def test_pahole_runs_on_one_thread(version: str, flags: str) -> None:
    assert recipe.pahole_flags(version) == flags
    assert "-j" not in recipe.pahole_flags(version).split()


@pytest.mark.parametrize("version", ["", "pahole", "v1", "va.b"])
def test_a_pahole_without_a_version(version: str) -> None:
    with pytest.raises(PrerequisiteError, match="dwarves"):
        recipe.pahole_flags(version)


def test_missing_tools_are_named_by_their_packages() -> None:
    with pytest.raises(PrerequisiteError) as caught:
        recipe.require({"no-such-tool": "dwarves", "sh": "dash"}, {"no/such.h": "libelf-dev"})
    assert caught.value.message == "not installed: dwarves libelf-dev"
    assert "apt-get install dwarves libelf-dev" in caught.value.remedy


def test_bench_takes_its_types_from_the_unpatched_variant() -> None:
    patched = VariantSpec(name="a", title="", role="", series=("x",))
    plain = VariantSpec(name="b", title="", role="")
    assert bench.base_variant({"a": patched, "b": plain}) is plain
    assert bench.base_variant({"a": patched}).series == ()
