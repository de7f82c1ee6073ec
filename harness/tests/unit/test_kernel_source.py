# SPDX-License-Identifier: GPL-2.0-only
"""Base source: where from, its hash, and series laid over the work tree and taken off."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from harness.errors import InfrastructureError, PrerequisiteError, UserError
from harness.kernel import debian, patch_series, source

MAKEFILE = "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 192\nEXTRAVERSION =\nNAME = x\n"


def tree_at(path: Path) -> Path:
    (path / "arch/x86").mkdir(parents=True)
    (path / "arch/x86/Kconfig").write_text("config X\n")
    (path / "Kbuild").write_text("obj-y := a.o\n")
    (path / "Makefile").write_text(MAKEFILE)
    (path / "a.c").write_text("one\ntwo\nthree\n")
    return path


def patch_of(path: Path, old: str | None, new: str | None) -> patch_series.Patch:
    """A patch that changes ``a.c``, or adds ``new.h`` when ``old`` is None."""
    name = "a.c" if old is not None else "new.h"
    if old is None:
        body = f"new file mode 100644\n--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+{new}\n"
    else:
        body = f"--- a/{name}\n+++ b/{name}\n@@ -1,3 +1,3 @@\n one\n-{old}\n+{new}\n three\n"
    path.write_text(f"Subject: x\n---\ndiff --git a/{name} b/{name}\n{body}")
    return patch_series.parse_patch(f"s/{path.name}", path, path.read_bytes())


@pytest.fixture
def work(tmp_path: Path) -> source.WorkTree:
    tree = source.Source(path=tree_at(tmp_path / "src"), sha256="e" * 64, is_tree=True)
    return source.unpack(tree, tmp_path / "work", lambda _: None)


def state(work: source.WorkTree) -> dict[str, tuple[str, int]]:
    return {
        str(p.relative_to(work.linux)): (p.read_text(), p.stat().st_mtime_ns)
        for p in sorted(work.linux.rglob("*"))
        if p.is_file()
    }


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (MAKEFILE, "6.1.192"),
        ("VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n", "7.3.0-rc1"),
    ],
)
def test_version(text: str, version: str) -> None:
    assert source.parse_version(text, "Makefile") == version


def test_version_of_something_else() -> None:
    with pytest.raises(UserError, match=r"x\.tar: no kernel version"):
        source.parse_version("all:\n\ttrue\n", "x.tar")


def test_series_on_and_off_touch_only_their_files(work: source.WorkTree, tmp_path: Path) -> None:
    before = state(work)
    edit = patch_of(tmp_path / "1.patch", "two", "TWO")
    add = patch_of(tmp_path / "2.patch", None, "x")
    assert source.set_series(work, [edit, add]) == ("a.c", "new.h")
    assert (work.linux / "a.c").read_text() == "one\nTWO\nthree\n"
    assert (work.linux / "new.h").read_text() == "x\n"
    patched = state(work)
    assert source.set_series(work, [edit, add]) == ()
    assert state(work) == patched
    assert source.set_series(work, [add]) == ("a.c",)
    assert source.set_series(work, []) == ("new.h",)
    after = state(work)
    assert {n: text for n, (text, _) in after.items()} == {n: t for n, (t, _) in before.items()}
    assert after["Kbuild"] == before["Kbuild"], "untouched files keep their time"
    assert after["a.c"][1] != before["a.c"][1], "make must see that a.c changed"


def test_two_patches_to_one_file_stack(work: source.WorkTree, tmp_path: Path) -> None:
    one = patch_of(tmp_path / "1.patch", "two", "TWO")
    two = patch_of(tmp_path / "2.patch", "TWO", "2")
    source.set_series(work, [one, two])
    assert (work.linux / "a.c").read_text() == "one\n2\nthree\n"


def test_a_patch_that_fails_leaves_the_tree_alone(work: source.WorkTree, tmp_path: Path) -> None:
    good = patch_of(tmp_path / "1.patch", "two", "TWO")
    bad = patch_of(tmp_path / "2.patch", "zwei", "drei")
    source.set_series(work, [good])
    before = state(work)
    with pytest.raises(InfrastructureError, match=r"s/2\.patch does not apply to 6\.1\.192"):
        source.set_series(work, [good, bad])
    assert state(work) == before


def test_a_tree_changed_behind_our_back_is_mended(work: source.WorkTree, tmp_path: Path) -> None:
    edit = patch_of(tmp_path / "1.patch", "two", "TWO")
    source.set_series(work, [edit])
    (work.linux / "a.c").write_text("half-writ")
    assert source.set_series(work, []) == ("a.c",)
    assert (work.linux / "a.c").read_text() == "one\ntwo\nthree\n"


def test_an_unfinished_unpacking_is_done_again(work: source.WorkTree, tmp_path: Path) -> None:
    (work.root / "complete").unlink()
    (work.linux / "a.c").unlink()
    said: list[str] = []
    tree = source.Source(path=tmp_path / "src", sha256="e" * 64, is_tree=True)
    source.unpack(tree, tmp_path / "work", said.append)
    assert said == ["unpacking src"]
    assert (work.linux / "a.c").is_file()
    source.unpack(tree, tmp_path / "work", said.append)
    assert said == ["unpacking src"]


def test_a_tarball(tmp_path: Path) -> None:
    tree_at(tmp_path / "linux-x")
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "linux-x", "linux-x")
    found = source.user_source(str(tmp_path / "x.tar.gz"))
    work = source.unpack(found, tmp_path / "work", lambda _: None)
    assert work.version == "6.1.192"
    assert (work.linux / "Kbuild").is_file()


def test_a_damaged_tarball(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"no tar at all")
    found = source.user_source(str(tmp_path / "x.tar"))
    with pytest.raises(InfrastructureError, match="cannot be unpacked") as caught:
        source.unpack(found, tmp_path / "work", lambda _: None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", ["nowhere", "empty"])
def test_kernel_src_that_is_none(tmp_path: Path, given: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="KERNEL_SRC="):
        source.user_source(str(tmp_path / given))


def test_the_package_is_named_when_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "DEBIAN_SOURCES", tmp_path)
    with pytest.raises(PrerequisiteError, match=r"Debian package linux-source-6\.1, or give"):
        source.locate("linux-source-6.1", None, tmp_path, print)


def test_a_source_is_installed_given_or_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(base: str, store: Path, say: object) -> Path:
        asked.append(base)
        (store / "x.tar.xz").write_bytes(b"downloaded")
        return store / "x.tar.xz"

    monkeypatch.setattr(source, "DEBIAN_SOURCES", tmp_path / "usr/src")
    monkeypatch.setattr(debian, "fetch_source", fetch)
    downloaded = source.locate("linux-source-7.3", None, tmp_path, print)
    assert downloaded.path == tmp_path / "x.tar.xz"
    given = source.locate("linux-source-7.3", str(tree_at(tmp_path / "t")), tmp_path, print)
    assert given.is_tree
    (tmp_path / "usr/src").mkdir(parents=True)
    (tmp_path / "usr/src/linux-source-7.3.tar.xz").write_bytes(b"installed")
    installed = source.locate("linux-source-7.3", None, tmp_path, print)
    assert installed.path.parent == tmp_path / "usr/src"
    assert asked == ["linux-source-7.3"]


BASES = ("linux-source-7.3", "linux-source-6.1")
VERSIONS = {"old": (5, 15), "a": (6, 1), "b": (6, 12), "c": (7, 3), "d": (8, 0)}


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        (None, {}),
        ("", {}),
        ("a", {"linux-source-6.1": "a"}),
        ("old", {"linux-source-6.1": "old"}),
        ("b", {"linux-source-6.1": "b"}),
        ("c", {"linux-source-7.3": "c"}),
        ("d", {"linux-source-7.3": "d"}),
        ("c, a", {"linux-source-7.3": "c", "linux-source-6.1": "a"}),
    ],
)
def test_kernel_src_replaces_the_base_that_it_is_made_for(
    text: str | None, chosen: dict[str, str]
) -> None:
    assert source.stand_ins(text, BASES, VERSIONS.__getitem__) == chosen


def test_two_sources_for_one_base() -> None:
    with pytest.raises(UserError, match=r"both a and b would replace linux-source-6\.1"):
        source.stand_ins("a,b", BASES, VERSIONS.__getitem__)


def test_the_version_of_a_tree_and_of_a_tarball(tmp_path: Path) -> None:
    tree = tree_at(tmp_path / "linux-x")
    (tree / "arch/x86/Makefile").write_text("VERSION = 9\nPATCHLEVEL = 9\n")
    assert source.version_of(str(tree)) == (6, 1)
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        tar.add(tree, "linux-x")
    assert source.version_of(str(tmp_path / "x.tar.gz")) == (6, 1)
    (tmp_path / "x.tar").write_bytes(b"no tar at all")
    with pytest.raises(UserError, match="no kernel version in it"):
        source.version_of(str(tmp_path / "x.tar"))
    with pytest.raises(UserError, match="not there"):
        source.version_of(str(tmp_path / "nowhere"))


def test_tree_hash_sees_content_names_modes_and_links(tmp_path: Path) -> None:
    tree = tree_at(tmp_path / "t")
    seen = {source.tree_sha256(tree)}
    (tree / "a.c").write_text("other\n")
    seen.add(source.tree_sha256(tree))
    (tree / "a.c").chmod(0o755)
    seen.add(source.tree_sha256(tree))
    (tree / "a.c").rename(tree / "b.c")
    seen.add(source.tree_sha256(tree))
    (tree / "l").symlink_to("b.c")
    seen.add(source.tree_sha256(tree))
    assert len(seen) == 5
    os.utime(tree / "b.c", (1, 1))
    assert source.tree_sha256(tree) in seen


def test_a_git_tree_is_what_git_tracks(tmp_path: Path) -> None:
    tree = tree_at(tmp_path / "t")
    git = ["git", "-C", str(tree)]
    try:
        subprocess.run([*git, "init", "-q"], check=True)
    except FileNotFoundError:
        pytest.skip("git is not installed")
    subprocess.run([*git, "add", "-A"], check=True)
    before = source.tree_sha256(tree)
    (tree / "a.o").write_text("built")
    (tree / ".config").write_text("CONFIG_A=y\n")
    assert source.tree_sha256(tree) == before
    (tree / "a.c").write_text("edited, not committed\n")
    assert source.tree_sha256(tree) != before


def test_a_built_tree_without_git_is_refused(tmp_path: Path) -> None:
    tree = tree_at(tmp_path / "t")
    (tree / ".config").write_text("CONFIG_A=y\n")
    with pytest.raises(UserError, match="mrproper"):
        source.user_source(str(tree))
