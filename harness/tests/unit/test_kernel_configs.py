# SPDX-License-Identifier: GPL-2.0-only
"""The variants, fragments and series that come with the program belong together."""

import pytest

from harness.config import load
from harness.kernel import base_variant, kconfig, series
from harness.kernel.build import fragments
from harness.model import VariantSpec
from harness.paths import CONFIGS

VARIANTS = load.variants()


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_a_variant_has_all_its_parts(variant: VariantSpec) -> None:
    options = fragments(variant.kconfig, CONFIGS / "kconfig")
    assert kconfig.lacking(options) == ()
    patches = series.load(variant.series, CONFIGS / "patches")
    assert len(patches) >= len(variant.series)


def test_measured_variants_share_their_fragments() -> None:
    baseline = next(v for v in VARIANTS.values() if v.baseline)
    for variant in VARIANTS.values():
        assert variant.base == baseline.base, variant.name
        if not variant.by_name_only:
            assert set(baseline.kconfig) <= set(variant.kconfig), variant.name


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
    listed = series.parse_series((folder / "series").read_text(), "series")
    assert sorted(listed) == sorted(p.name for p in folder.glob("*.patch"))
    for patch in series.load([folder.name], CONFIGS / "patches"):
        text = patch.path.read_text()
        assert text.startswith("From "), "not made by git format-patch"
        assert "\nSigned-off-by: " in text
        body = text.split("\n---\n")[0].split("\n\n", 1)[1]
        assert len(body.split()) > 20, "the message does not say why"
