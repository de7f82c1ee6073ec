# SPDX-License-Identifier: GPL-2.0-only
"""Named texts by build: sums by name, medians over seeds, unknown where none is named."""

import pytest

from harness.analysis.sites import NamedTrial, common_name, gather
from harness.model.records import Site


def site(name: str, walks: int, *, origin: str = "bpf_prog", hits: int = 0) -> Site:
    return Site(name=name, origin=origin, stlb_hits=hits, walks_4k=walks, walks_2m_4m=0, walks_1g=0)


NFS = site("nfs", 9, origin="module")


def trial(build: str, seed: int, *sites: Site, windows: int = 1) -> NamedTrial:
    return NamedTrial(build=build, seed=seed, sites=sites, windows=windows)


@pytest.mark.parametrize(
    ("name", "common"), [("probe#17", "probe"), ("nfs", "nfs"), ("a#b", "a#b"), ("a#1#2", "a#1")]
)
def test_programs_of_one_name(name: str, common: str) -> None:
    assert common_name(name) == common


def test_medians_over_the_seeds_that_name_it() -> None:
    rows = gather(
        [
            trial(
                "a", 1, site("probe#1", 10), site("probe#2", 30), site("nfs", 9, origin="module")
            ),
            trial("a", 2, site("probe#7", 60)),
            trial("a", 3),
            trial("b", 1, site("nfs", 500, origin="module")),
        ],
        ("a", "b"),
    )
    assert [(row.name, row.origin) for row in rows] == [("nfs", "module"), ("probe", "bpf_prog")]
    probe = rows[1].cells["a"]
    assert probe.counts is not None
    assert (probe.seeds, probe.cut) == (2, False)
    assert (probe.counts.texts, probe.counts.walks_4k) == (1.5, 50)
    assert rows[1].cells["b"].counts is None  # unknown, not 0


def test_a_seed_counts_once() -> None:
    (row,) = gather(
        [trial("a", 1, site("x", 10)), trial("a", 1, site("x", 20)), trial("a", 2, site("x", 90))],
        ("a",),
    )
    assert row.cells["a"].counts is not None
    assert (row.cells["a"].seeds, row.cells["a"].counts.walks_4k) == (2, 52.5)


@pytest.mark.parametrize(
    ("count", "windows", "cut"), [(19, 1, False), (20, 1, True), (20, 2, False)]
)
def test_a_list_that_is_full_is_cut(count: int, windows: int, cut: bool) -> None:
    sites = (site(f"p#{number}", 5) for number in range(count))
    (row,) = gather([trial("a", 1, *sites, windows=windows)], ("a",))
    assert row.cells["a"].cut is cut
