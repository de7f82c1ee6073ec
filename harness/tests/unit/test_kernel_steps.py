# SPDX-License-Identifier: GPL-2.0-only
"""Steps of a kernel build, and how many the last one of a kind had."""

from pathlib import Path

from harness.kernel import steps
from harness.model.specs import VariantSpec

VARIANT = VariantSpec(name="execmem", title="", role="", series=("execmem",))


def test_a_step_is_a_line_of_kbuild() -> None:
    assert steps.is_step("  CC      kernel/fork.o")
    assert steps.is_step("  LD [M]  net/bpfilter.ko")
    assert not steps.is_step("make[1]: Entering directory '/linux'")
    assert not steps.is_step("  warning: unused variable")
    assert not steps.is_step("")


def test_builds_of_one_kind_differ_in_patches_only() -> None:
    other = VariantSpec(name="upstream", title="", role="", series=("one-page",))
    debug = VariantSpec(name="execmem", title="", role="", kconfig=("base.config", "debug.config"))
    same = steps.kind(VARIANT, new_tree=True)
    assert steps.kind(other, new_tree=True) == same
    assert steps.kind(VARIANT, new_tree=False) != same
    assert steps.kind(debug, new_tree=True) != same


def test_the_last_count_is_kept(tmp_path: Path) -> None:
    assert steps.last(tmp_path, "a") is None
    steps.keep(tmp_path, "a", 2100)
    steps.keep(tmp_path, "b", 210)
    steps.keep(tmp_path, "a", 2134)
    assert (steps.last(tmp_path, "a"), steps.last(tmp_path, "b")) == (2134, 210)
    assert [path.name for path in tmp_path.iterdir()] == [steps.FILE]


def test_a_damaged_note_is_no_count(tmp_path: Path) -> None:
    for text in ("{", "[1]", '{"a": "many"}', '{"a": 0}'):
        (tmp_path / steps.FILE).write_text(text)
        assert steps.last(tmp_path, "a") is None
    steps.keep(tmp_path, "a", 5)
    assert steps.last(tmp_path, "a") == 5


def test_a_note_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    steps.keep(tmp_path / "nowhere", "a", 5)
    assert steps.last(tmp_path / "nowhere", "a") is None
