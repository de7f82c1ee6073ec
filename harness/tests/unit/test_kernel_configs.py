# SPDX-License-Identifier: GPL-2.0-only
"""The variants, fragments and series that come with the program belong together."""

from pathlib import Path

import pytest

from harness.config import definitions
from harness.kernel import base_variant, kconfig, patch_series
from harness.kernel.build import differences, fragments
from harness.model.specs import VariantSpec
from harness.paths import CONFIGS

VARIANTS = definitions.variants()


def options_of(variant: VariantSpec) -> kconfig.Options:
    folder = CONFIGS / "kconfig"
    return kconfig.adapt(fragments(variant.kconfig, folder), differences(variant.base, folder))


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_has_all_its_parts(variant: VariantSpec) -> None:
    assert kconfig.lacking(options_of(variant)) == ()
    patches = patch_series.load(variant.series, CONFIGS / "patches")
    assert len(patches) >= len(variant.series)


def test_measured_variants_share_their_fragments() -> None:
    baseline = next(v for v in VARIANTS.values() if v.baseline)
    for variant in VARIANTS.values():
        if not variant.by_name_only:
            assert variant.base == baseline.base, variant.name
            assert set(baseline.kconfig) <= set(variant.kconfig), variant.name


def test_mainline_differs_from_its_control_by_the_patch_alone() -> None:
    mainline, control = VARIANTS["mainline"], VARIANTS["mainline-norox"]
    assert (mainline.base, mainline.kconfig) == (control.base, control.kconfig)
    assert mainline.by_name_only and control.by_name_only
    assert mainline.series == ()
    assert len(patch_series.load(control.series, CONFIGS / "patches")) == 1


FACTS = {
    "CONFIG_DEBUG_TLBFLUSH", "CONFIG_PTDUMP_DEBUGFS", "CONFIG_DEBUG_WX", "CONFIG_IKCONFIG",
    "CONFIG_KPROBES", "CONFIG_FUNCTION_ERROR_INJECTION", "CONFIG_DEBUG_INFO_BTF",
    "CONFIG_STRICT_MODULE_RWX",
}  # fmt: skip
"""What the facts are read from, and what the reported state of text depends on."""


@pytest.mark.parametrize("name", ["bpf_prog_pack", "mainline"])
def test_every_base_keeps_what_facts_are_read_from(name: str) -> None:
    variant = VARIANTS[name]
    options = options_of(variant)
    assert {option for option in FACTS if options.get(option) != "y"} == set()
    isolation = [option for option in options if option.endswith("PAGE_TABLE_ISOLATION")]
    assert [options[option] for option in isolation] == ["y"]


@pytest.mark.parametrize("path", sorted((CONFIGS / "kconfig").glob("*.toml")), ids=lambda p: p.stem)
def test_a_bases_differences_are_about_options_that_there_are(path: Path) -> None:
    assert path.stem in {variant.base for variant in VARIANTS.values()}
    listed = differences(path.stem, path.parent)
    everything = fragments([p.name for p in path.parent.glob("*.config")], path.parent)
    assert {*listed.renamed, *listed.left_out} <= set(everything)
    assert not set(listed.renamed) & set(listed.left_out)
    assert not set(listed.added) & set(everything), "belongs into a fragment"
    assert all(len(reason.split()) > 3 for reason in listed.left_out.values())
    assert set(listed.added.values()) <= {"y", "m", "n"}


def test_one_baseline_and_bench_from_the_unpatched_base() -> None:
    assert [v.name for v in VARIANTS.values() if v.baseline] == ["upstream"]
    assert base_variant(VARIANTS).name == "bpf_prog_pack"


@pytest.mark.parametrize(
    "path", sorted((CONFIGS / "kconfig").glob("*.config")), ids=lambda p: p.name
)
def test_a_fragment_asks_for_each_option_once(path: object) -> None:
    text = (CONFIGS / "kconfig" / str(path)).read_text()
    lines = [line for line in text.splitlines() if kconfig.parse([line], "f")]
    assert len(kconfig.parse(lines, "f")) == len(lines)


@pytest.mark.parametrize("listing", sorted((CONFIGS / "patches").glob("*/series")), ids=str)
def test_a_series_lists_every_patch_of_its_folder(listing: object) -> None:
    folder = (CONFIGS / "patches" / str(listing)).parent
    listed = patch_series.parse_series((folder / "series").read_text(), "series")
    assert sorted(listed) == sorted(p.name for p in folder.glob("*.patch"))
    for patch in patch_series.load([folder.name], CONFIGS / "patches"):
        text = patch.path.read_text()
        assert text.startswith("From "), "not made by git format-patch"
        assert "\nSigned-off-by: " in text
        body = text.split("\n---\n")[0].split("\n\n", 1)[1]
        assert len(body.split()) > 20, "the message does not say why"
