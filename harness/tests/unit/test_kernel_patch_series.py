# SPDX-License-Identifier: GPL-2.0-only
"""Patch series: the listing, the patches, and what is said when one does not apply."""

from pathlib import Path

import pytest

from harness.errors import InfrastructureError, UserError
from harness.kernel import patch_series

PATCH = """\
From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: somebody <somebody@localhost>
Subject: [PATCH 1/2] area: change one line of a file and
 fold the subject

Why.
---
 dir/file.c | 2 +-

diff --git a/dir/file.c b/dir/file.c
index 1..2 100644
--- a/dir/file.c
+++ b/dir/file.c
@@ -1,3 +1,3 @@
 one
-two
+TWO
 three
"""


def write_series(root: Path, listing: str, **patches: str) -> None:
    folder = root / "mine"
    folder.mkdir()
    (folder / "series").write_text(listing)
    for name, text in patches.items():
        (folder / f"{name}.patch").write_text(text)


def test_listing_skips_comments_and_blank_lines() -> None:
    text = "# why\n\n0001-a.patch\n0002-b.patch  # second\n"
    assert patch_series.parse_series(text, "s") == ("0001-a.patch", "0002-b.patch")


@pytest.mark.parametrize("line", ["../a.patch", "/etc/passwd", "0001-a.patch"])
def test_listing_refuses_paths_and_repeats(line: str) -> None:
    with pytest.raises(UserError) as caught:
        patch_series.parse_series(f"0001-a.patch\n{line}\n", "mine/series")
    assert "mine/series:2" in caught.value.message


def test_loads_patches_in_order(tmp_path: Path) -> None:
    write_series(tmp_path, "b.patch\na.patch\n", a=PATCH, b=PATCH + "\n")
    found = patch_series.load(["mine"], tmp_path)
    assert [p.name for p in found] == ["mine/b.patch", "mine/a.patch"]
    assert found[0].sha256 != found[1].sha256
    assert found[0].files == ("dir/file.c",)
    assert found[0].subject == "area: change one line of a file and fold the subject"


def test_unknown_series_names_the_known(tmp_path: Path) -> None:
    write_series(tmp_path, "")
    with pytest.raises(UserError, match="no patch series 'other': known: mine"):
        patch_series.load(["other"], tmp_path)


def test_listed_patch_that_is_missing(tmp_path: Path) -> None:
    write_series(tmp_path, "gone.patch\n")
    with pytest.raises(UserError, match=r"gone\.patch cannot be read"):
        patch_series.load(["mine"], tmp_path)


@pytest.mark.parametrize("target", ["/etc/passwd", "../../x", "a/../../x"])
def test_a_patch_must_stay_in_the_tree(target: str) -> None:
    text = f"diff --git a/{target} b/{target}\n"
    with pytest.raises(UserError, match="outside the tree"):
        patch_series.parse_patch("n", Path("n.patch"), text.encode())


def test_a_patch_must_change_something() -> None:
    with pytest.raises(UserError, match="git format-patch"):
        patch_series.parse_patch("n", Path("n.patch"), b"hello\n")


def applied(tmp_path: Path, content: str) -> Path:
    tree = tmp_path / "tree"
    (tree / "dir").mkdir(parents=True)
    (tree / "dir/file.c").write_text(content)
    path = tmp_path / "p.patch"
    path.write_text(PATCH)
    patch_series.apply(
        patch_series.parse_patch("mine/p.patch", path, PATCH.encode()), tree, "6.1.192"
    )
    return tree / "dir/file.c"


def test_applies(tmp_path: Path) -> None:
    assert applied(tmp_path, "one\ntwo\nthree\n").read_text() == "one\nTWO\nthree\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("one\n2\nthree\n", id="changed line"),
        pytest.param("one\ntwo\n3\n", id="changed context: no fuzz"),
        pytest.param("one\nTWO\nthree\n", id="applied already"),
    ],
)
def test_failure_names_patch_base_and_quotes_the_hunk(tmp_path: Path, content: str) -> None:
    with pytest.raises(InfrastructureError) as caught:
        applied(tmp_path, content)
    error = caught.value
    assert error.message.startswith("mine/p.patch does not apply to 6.1.192: dir/file.c: Hunk #1")
    assert "\n" not in error.message
    assert "KERNEL_SRC=" in error.remedy
    assert "-two" in error.remedy
    assert "+TWO" in error.remedy


def test_failure_when_the_file_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "p.patch"
    path.write_text(PATCH)
    patch = patch_series.parse_patch("mine/p.patch", path, PATCH.encode())
    (tmp_path / "tree").mkdir()
    with pytest.raises(InfrastructureError, match="can't find file to patch"):
        patch_series.apply(patch, tmp_path / "tree", "6.1.192")


def test_options_that_a_series_brings(tmp_path: Path) -> None:
    kconfig = PATCH + "+config EXECMEM\n+\tbool\n+menuconfig MORE\n-config GONE\n config OLD\n"
    write_series(tmp_path, "a.patch\n", a=kconfig)
    assert patch_series.symbols(patch_series.load(("mine",), tmp_path)) == {
        "CONFIG_EXECMEM",
        "CONFIG_MORE",
    }
