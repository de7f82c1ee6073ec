# SPDX-License-Identifier: GPL-2.0-only
"""Command lines of the kernel and bench builds (golden), tool checks, content addresses."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import PrerequisiteError, UserError
from harness.kernel import bench, bpf_tree, recipe
from harness.model.specs import VariantSpec
from harness.tests.golden import assert_golden

TOOLS = recipe.Tools(
    gcc="gcc (Debian 12.2.0-14) 12.2.0", ld="GNU ld 2.40", pahole="v1.24", make="GNU Make 4.3",
    ccache=False,
)  # fmt: skip
LINUX = Path("/cache/kernel-build/0123/linux")


OLD = "linux-source-6.1"
NEW = "linux-source-7.3"


def key(**changed: object) -> str:
    inputs: dict[str, object] = {
        "name": OLD,
        "base": "b" * 64,
        "patches": ["1" * 64, "2" * 64],
        "options": {"CONFIG_A": "y"},
        "tools": TOOLS,
    }
    inputs |= changed
    return recipe.kernel_key(*inputs.values())  # type: ignore[arg-type]


def test_kernel_command_line() -> None:
    argv = recipe.make(
        LINUX, "out-0", ["bzImage", "modules"], jobs=2, btf=recipe.btf_variables(OLD, TOOLS),
        ccache=Path("/cache/ccache"),
    )  # fmt: skip
    assert_golden("kernel/kernel.argv", "\n".join(argv) + "\n")


def test_mainline_command_line() -> None:
    """7.x asks for reproducible types itself; what differs is which pahole it runs."""
    tools = replace(TOOLS, pahole="v1.30", pahole_path="/cache/debian/pahole/pahole")
    argv = recipe.make(
        LINUX, "out-0", ["bzImage", "modules"], jobs=2, btf=recipe.btf_variables(NEW, tools),
        ccache=Path("/cache/ccache"),
    )  # fmt: skip
    assert_golden("kernel/mainline.argv", "\n".join(argv) + "\n")
    assert recipe.btf_variables(NEW, replace(tools, pahole_path="")) == {}


def test_the_output_tree_leaves_no_trace() -> None:
    """Compilers see the same mapped paths whichever output tree is built in."""
    seen = set()
    for out in ("out-0", "out-1"):
        argv = recipe.make(LINUX, out, [], jobs=1, btf={}, ccache=None)
        (flags,) = (word for word in argv if word.startswith("KCFLAGS="))
        maps = dict(flag.split("=")[1:] for flag in flags.removeprefix("KCFLAGS=").split())
        seen.add((maps[str(LINUX)], maps[str(LINUX / out)]))
        assert list(maps) == [str(LINUX), str(LINUX / out)], "gcc takes the last that fits"
    assert seen == {("/linux", "/linux/out")}


def test_modules_command_line_without_ccache() -> None:
    argv = recipe.make(
        LINUX, "out-0", ["modules_install"], jobs=1, ccache=None,
        btf=recipe.btf_variables(OLD, replace(TOOLS, pahole="v1.25")),
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
        {"name": NEW},
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
    assert key(tools=replace(TOOLS, pahole_path="/somewhere/pahole")) == key()
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
    chosen = recipe.pahole_flags(recipe.pahole_version(version))
    assert chosen == flags
    assert "-j" not in chosen.split()


@pytest.mark.parametrize("version", ["", "pahole", "v1", "va.b"])
def test_a_pahole_without_a_version(version: str) -> None:
    with pytest.raises(PrerequisiteError, match="dwarves"):
        recipe.pahole_version(version)


@pytest.mark.parametrize("base", ["", "linux-source-6", "linux-6.1", "linux-source-6.1.2"])
def test_a_base_is_a_source_package(base: str) -> None:
    with pytest.raises(UserError, match=r"like linux-source-6\.1"):
        recipe.base_version(base)


def test_missing_tools_are_named_by_their_packages() -> None:
    with pytest.raises(PrerequisiteError) as caught:
        recipe.require({"no-such-tool": "dwarves", "sh": "dash"}, {"no/such.h": "libelf-dev"})
    assert caught.value.message == "not installed: dwarves libelf-dev"
    assert "apt-get install dwarves libelf-dev" in caught.value.remedy


def test_bench_takes_its_types_from_the_unpatched_variant() -> None:
    patched = VariantSpec(name="a", title="", role="", series=("x",))
    plain = VariantSpec(name="b", title="", role="")
    assert bench.base_variant({"a": patched, "b": plain}) is plain
    other = VariantSpec(name="c", title="", role="", base=NEW, by_name_only=True)
    assert bench.base_variant({"c": other, "a": patched, "b": plain}) is plain
    assert bench.base_variant({"a": patched, "c": other}).series == ()
