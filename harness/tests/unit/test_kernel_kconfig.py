# SPDX-License-Identifier: GPL-2.0-only
"""Kconfig fragments: parsing, merging, and the check of the generated .config."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.kernel import kconfig

NAMES = st.from_regex(r"CONFIG_[A-Z0-9_]{1,20}", fullmatch=True)
VALUES = st.sampled_from(["y", "m", "n", '""', '"a b"', "0x10", "-1", "64"])
OPTIONS = st.dictionaries(NAMES, VALUES, max_size=20)


def test_parses_set_unset_and_comments() -> None:
    text = '# heading\n\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C="x y"\nCONFIG_A=m\n'
    assert kconfig.parse(text.splitlines(), "f") == {
        "CONFIG_A": "m",
        "CONFIG_B": "n",
        "CONFIG_C": '"x y"',
    }


@pytest.mark.parametrize("line", ["CONFIG_A", "config_a=y", "A=y", "CONFIG_A=", " CONFIG_A=y"])
def test_a_line_that_is_no_option_is_named(line: str) -> None:
    with pytest.raises(UserError) as caught:
        kconfig.parse(["CONFIG_OK=y", line], "base.config")
    assert "base.config:2" in caught.value.message
    assert repr(line) in caught.value.message


@given(OPTIONS)
def test_render_is_the_inverse_of_parse(options: dict[str, str]) -> None:
    assert kconfig.parse(kconfig.render(options).splitlines(), "f") == options


@given(OPTIONS, OPTIONS)
def test_merge_keeps_every_option_and_the_later_value(
    one: dict[str, str], two: dict[str, str]
) -> None:
    merged = kconfig.merge([one, two])
    assert set(merged) == set(one) | set(two)
    assert all(merged[name] == value for name, value in two.items())


def test_refused_names_option_wish_and_outcome() -> None:
    wanted = {"CONFIG_A": "y", "CONFIG_B": "m", "CONFIG_C": "n", "CONFIG_D": "n"}
    got = {"CONFIG_A": "y", "CONFIG_B": "y", "CONFIG_C": "y"}
    assert [str(r) for r in kconfig.refused(wanted, got)] == [
        "CONFIG_B (wanted m, got y)",
        "CONFIG_C (wanted n, got y)",
    ]
    assert [str(r) for r in kconfig.refused({"CONFIG_X": "y"}, {})] == [
        "CONFIG_X (wanted y, got n)"
    ]


@given(OPTIONS)
def test_a_configuration_takes_all_of_itself(options: dict[str, str]) -> None:
    assert kconfig.refused(options, options) == ()
    assert kconfig.difference(options, options) == 0


def test_difference_counts_unset_and_absent_as_equal() -> None:
    assert kconfig.difference({"CONFIG_A": "n", "CONFIG_B": "y"}, {"CONFIG_B": "m"}) == 1


def test_lacking_wants_options_built_in() -> None:
    config = dict.fromkeys(kconfig.BOOTABLE, "y")
    assert kconfig.lacking(config) == ()
    config["CONFIG_BPF_SYSCALL"] = "n"
    config["CONFIG_SERIAL_8250_CONSOLE"] = "m"
    assert kconfig.lacking(config) == ("CONFIG_SERIAL_8250_CONSOLE", "CONFIG_BPF_SYSCALL")


@given(OPTIONS, NAMES, VALUES)
def test_digest_tells_choices_apart_but_for_those_left_out(
    options: dict[str, str], name: str, value: str
) -> None:
    changed = {**options, name: value}
    assert kconfig.digest(options, without={name}) == kconfig.digest(changed, without={name})
    same = options.get(name, "n") == value
    assert (kconfig.digest(options) == kconfig.digest(changed)) == same


def test_a_base_has_its_own_names() -> None:
    differences = kconfig.Differences(
        renamed={"CONFIG_OLD": "CONFIG_NEW"},
        left_out={"CONFIG_GONE": "nothing does it any more"},
        added={"CONFIG_MORE": "n"},
    )
    options = {"CONFIG_OLD": "m", "CONFIG_GONE": "y", "CONFIG_SAME": "64"}
    assert kconfig.adapt(options, differences) == {
        "CONFIG_NEW": "m",
        "CONFIG_SAME": "64",
        "CONFIG_MORE": "n",
    }


@given(OPTIONS)
def test_a_base_without_differences_is_as_the_fragments_say(options: dict[str, str]) -> None:
    assert kconfig.adapt(options, kconfig.Differences()) == options
