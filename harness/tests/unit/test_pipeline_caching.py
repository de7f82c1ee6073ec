# SPDX-License-Identifier: GPL-2.0-only
"""The command ``cache``: what it lists, what it removes, and what it never does."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import cache
from harness.cache import Kind
from harness.errors import PrerequisiteError
from harness.pipeline import cache_table, caching
from harness.pipeline.caching import Contents, Current, Item, Pruned, State
from harness.tests.unit.in_process import Bench, Done
from harness.tests.unit.other_process import holding

DAY = 86400
NOW = time.time()
KEY = "0123456789abcdef" * 4


def entry(root: Path, kind: Kind, key: str, name: str, *, days: float) -> Path:
    """An entry of 64 kB that was last used ``days`` days ago."""

    def make(staging: Path) -> cache.Facts:
        (staging / "file").write_bytes(os.urandom(1 << 16))
        return {}

    path = cache.get_or_make(root / kind, key, make, name=name).path
    cache.release(path)
    set_age(path / cache.RECORD, days)
    return path


def set_age(path: Path, days: float) -> None:
    os.utime(path, (NOW - days * DAY, NOW - days * DAY))


def old_file(path: Path, days: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 5000)
    set_age(path, days)
    return path


def work_tree(root: Path, name: str, *outputs: str, days: float) -> Path:
    tree = root / cache.WORK_TREES / name
    old_file(tree / "linux/Makefile", 900).write_text("VERSION = 6\nPATCHLEVEL = 1\n")
    for output in outputs:
        old_file(tree / "linux" / output / "vmlinux", days)
        set_age(tree / "linux" / output, days)
    old_file(tree / "complete", days)
    for path in (tree / "linux", tree):
        set_age(path, days)
    return tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One of each: old and new, of today's format and of none, whole and left over."""
    entry(tmp_path, Kind.KERNELS, KEY, "kernel old", days=40)
    entry(tmp_path, Kind.KERNELS, KEY[::-1], "kernel new", days=2)
    entry(tmp_path, Kind.PROGRAMS, f"churn-{KEY}", "program churn", days=1)
    old_file(tmp_path / "plugins/itlb-0123456789abcdef.so", 50)
    old_file(tmp_path / "plugins/replay-0123456789abcdef", 3)
    old_file(tmp_path / f"images/.{KEY}.abcd1234/base.cpio", 0)
    work_tree(tmp_path, "0123456789abcdef", "out-0", "out-1", days=45)
    old_file(tmp_path / "ccache/a/b/object", 4)
    old_file(tmp_path / f"images/{KEY}.log", 20)
    old_file(tmp_path / "plugins/lock", 50)
    return tmp_path


def by_name(contents: Contents) -> dict[str, Item]:
    return {item.name: item for item in contents.items}


def files(root: Path) -> list[str]:
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and path.suffix != ".lock" and path.name != "lock"
    )


def test_everything_is_listed_with_its_kind_and_size(root: Path) -> None:
    contents = caching.survey(root)
    assert {(item.kind, item.name, item.state) for item in contents.items} == {
        ("kernels", "kernel old", State.ENTRY),
        ("kernels", "kernel new", State.ENTRY),
        ("programs", "program churn", State.ENTRY),
        ("plugins", "itlb-0123456789abcdef.so", State.OUTDATED),
        ("plugins", "replay-0123456789abcdef", State.OUTDATED),
        ("images", f".{KEY}.abcd1234", State.LEFTOVER),
        ("images", f"{KEY}.log", State.LOG),
        ("kernel-build", "Linux 6.1.0, out-0", State.OUTPUT),
        ("kernel-build", "Linux 6.1.0, out-1", State.OUTPUT),
        ("kernel-build", "Linux 6.1.0", State.SOURCE),
        ("ccache", "object files", State.CCACHE),
    }
    items = by_name(contents)
    assert items["kernel old"].bytes >= 1 << 16
    assert items["kernel old"].last_used == pytest.approx(NOW - 40 * DAY, abs=1)
    assert items["Linux 6.1.0, out-0"].bytes >= 5000
    assert contents.bytes == sum(item.bytes for item in contents.items)
    assert contents.free > 0
    assert not any(item.in_use for item in contents.items)


def test_listing_changes_nothing(root: Path) -> None:
    def state() -> list[tuple[str, int]]:
        return sorted((str(path), path.lstat().st_mtime_ns) for path in root.rglob("*"))

    before = state()
    caching.survey(root)
    caching.prune(caching.survey(root), days=0, dry_run=True)
    assert state() == before


def test_whether_the_checkout_uses_it(root: Path) -> None:
    current = {
        Kind.KERNELS: Current(keys={KEY: "kernel upstream"}),
        Kind.PROGRAMS: Current(keys={}, complete=False),
        cache.WORK_TREES: Current(keys={"0123456789abcdef": "linux-source-6.1.tar.xz"}),
    }
    items = by_name(caching.survey(root, current))
    assert items["kernel upstream"].current is True
    assert items["kernel new"].current is False
    assert items["program churn"].current is None
    assert items["Linux 6.1.0"].current is True
    assert items["object files"].current is None


def test_prune_removes_what_is_old_and_what_is_left_over(root: Path) -> None:
    pruned = caching.prune(caching.survey(root), days=30, dry_run=False)
    assert {item.name for item in pruned.removed} == {
        "kernel old",
        "itlb-0123456789abcdef.so",
        f".{KEY}.abcd1234",
        "Linux 6.1.0, out-0",
        "Linux 6.1.0, out-1",
        "Linux 6.1.0",
    }
    assert pruned.kept == ()
    assert pruned.bytes >= 1 << 16
    assert files(root) == sorted(
        [
            "ccache/a/b/object",
            f"images/{KEY}.log",
            f"kernels/{KEY[::-1]}/build.json",
            f"kernels/{KEY[::-1]}/file",
            "plugins/replay-0123456789abcdef",
            f"programs/churn-{KEY}/build.json",
            f"programs/churn-{KEY}/file",
        ]
    )
    again = caching.prune(caching.survey(root), days=30, dry_run=False)
    assert (again.removed, again.kept) == ((), ())


def test_prune_of_everything(root: Path) -> None:
    caching.prune(caching.survey(root), days=0, dry_run=False)
    assert files(root) == []
    assert caching.survey(root).items == ()


def test_a_dry_run_removes_nothing(root: Path) -> None:
    before = files(root)
    pruned = caching.prune(caching.survey(root), days=30, dry_run=True)
    assert len(pruned.removed) == 6
    assert files(root) == before


def test_what_a_process_uses_is_kept_however_old(root: Path) -> None:
    path = root / Kind.KERNELS / KEY
    with holding(path):
        set_age(path / cache.RECORD, 40)
        for dry_run in (True, False):
            pruned = caching.prune(caching.survey(root), days=0, dry_run=dry_run)
            assert [item.name for item in pruned.kept] == ["kernel old"]
    assert cache.load(path) is not None


def test_what_is_taken_after_the_survey_is_kept(root: Path) -> None:
    contents = caching.survey(root)
    with holding(root / Kind.KERNELS / KEY):
        pruned = caching.prune(contents, days=30, dry_run=False)
    assert [item.name for item in pruned.kept] == ["kernel old"]


def test_what_is_being_built_is_kept(root: Path) -> None:
    tree = root / cache.WORK_TREES / "0123456789abcdef"
    with (
        cache.lock(cache.lock_file(tree), "x", print),
        cache.lock(cache.lock_file(root / Kind.IMAGES / KEY), "x", print),
    ):
        contents = caching.survey(root)
        in_use = {item.name for item in contents.items if item.in_use}
        pruned = caching.prune(contents, days=0, dry_run=False)
    building = {"Linux 6.1.0", "Linux 6.1.0, out-0", "Linux 6.1.0, out-1"}
    # ccache serves the builds in the work trees.
    assert in_use == {*building, f".{KEY}.abcd1234", f"{KEY}.log", "object files"}
    assert {item.name for item in pruned.kept} == in_use
    assert (tree / "linux/out-0/vmlinux").is_file()


def test_a_source_is_in_use_as_long_as_one_of_its_output_trees_is(root: Path) -> None:
    tree = root / cache.WORK_TREES / "0123456789abcdef"
    set_age(tree / "linux/out-1/vmlinux", 1)
    pruned = caching.prune(caching.survey(root), days=30, dry_run=False)
    assert "Linux 6.1.0, out-0" in {item.name for item in pruned.removed}
    assert (tree / "linux/Makefile").is_file()
    assert (tree / "linux/out-1/vmlinux").is_file()


def test_a_source_that_is_half_unpacked_is_left_over(tmp_path: Path) -> None:
    tree = work_tree(tmp_path, "0123456789abcdef", days=0)
    (tree / "complete").unlink()
    (item,) = caching.survey(tmp_path).items
    assert item.state is State.LEFTOVER
    caching.prune(caching.survey(tmp_path), days=30, dry_run=False)
    assert not tree.exists()


def test_another_cache_behind_a_link_is_not_touched(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in (cache.WORK_TREES, cache.CCACHE, Kind.KERNELS):
        (other / name).symlink_to(root / name)
    assert caching.survey(other).items == ()


def test_foreign_files_are_not_listed(root: Path) -> None:
    old_file(root / "letters/mine", 400)
    old_file(root / "notes.txt", 400)
    caching.prune(caching.survey(root), days=0, dry_run=False)
    assert files(root) == ["letters/mine", "notes.txt"]


def test_a_cache_that_cannot_be_read(root: Path) -> None:
    (root / Kind.BENCH).write_text("a file in the way")
    with pytest.raises(PrerequisiteError) as caught:
        caching.survey(root)
    text = str(caught.value)
    assert text.startswith(f"{root / Kind.BENCH} cannot be read (Not a directory)")
    assert "\n" not in text
    assert caught.value.exit_code == 3


def test_the_table(root: Path) -> None:
    current = {Kind.KERNELS.value: Current(keys={KEY: "kernel upstream"})}
    contents = caching.survey(root, current)
    lines = cache_table.render(contents, now=NOW).splitlines()
    old = next(line for line in lines if "kernel upstream" in line).split()
    size = cache.size(by_name(contents)["kernel upstream"].bytes)
    assert old[2:] == ["0123456789ab", *size.split(), "40", "d", "ago", "uses", "it"]
    new = next(line for line in lines if "kernel new" in line)
    assert new.endswith("does not")
    assert next(line for line in lines if "itlb-" in line).endswith("made by an earlier version")
    assert next(line for line in lines if "program churn" in line).split()[2] == "0123456789ab"
    assert lines[-1].startswith(f"{root}: ")
    assert "in 11 items" in lines[-1]
    assert all(len(line) <= 120 for line in lines[:-1])


def test_the_table_of_a_prune(root: Path) -> None:
    contents = caching.survey(root)
    planned = caching.prune(contents, days=30, dry_run=True)
    assert "would remove 6 of 11 items, would free" in cache_table.render(contents, planned)
    with holding(root / Kind.KERNELS / KEY):
        set_age(root / Kind.KERNELS / KEY / cache.RECORD, 40)
        pruned = caching.prune(contents, days=30, dry_run=False)
    lines = cache_table.render(contents, pruned).splitlines()
    assert "removed 5 of 11 items, freed" in lines[-2]
    assert lines[-1] == "kept, in use: kernel old"
    nothing = cache_table.render(contents, Pruned())
    assert "removed 0 of 11 items, freed 0 B of" in nothing


def test_json(root: Path) -> None:
    contents = caching.survey(root)
    pruned = caching.prune(contents, days=30, dry_run=True)
    document = json.loads(cache_table.as_json(contents, pruned))
    assert document["path"] == str(root)
    assert document["bytes"] == contents.bytes
    (old,) = [item for item in document["items"] if item["name"] == "kernel old"]
    assert old["kind"] == "kernels"
    assert old["key"] == KEY
    assert old["state"] == "entry"
    assert old["current"] is None
    assert old["in_use"] is False
    assert old["last_used"].endswith("+00:00")
    assert document["dry_run"] is True
    assert str(root / Kind.KERNELS / KEY) in document["removed"]
    assert document["removed_bytes"] == pruned.bytes
    assert "removed" not in json.loads(cache_table.as_json(contents))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5, "now"), (61, "1 min ago"), (7300, "2 h ago"), (86400 * 3.5, "3 d ago"), (-5, "now")],
)
def test_ages(seconds: float, text: str) -> None:
    assert cache_table.age(seconds) == text


@pytest.fixture
def command(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """``execmem-bench cache`` on a cache of the test's."""

    def run(root: Path, *words: str) -> Done:
        monkeypatch.setenv("EXECMEM_BENCH_CACHE", str(root))
        return bench("cache", *words)

    return run


def test_the_command(root: Path, command: Callable[..., Done]) -> None:
    listed = command(root)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "kernel old" in listed.stdout
    pruned = command(root, "--prune", "--json")
    assert pruned.returncode == 0
    assert len(json.loads(pruned.stdout)["removed"]) == 6
    assert not (root / Kind.KERNELS / KEY).exists()
    assert (root / Kind.KERNELS / KEY[::-1]).exists()


@pytest.mark.parametrize("words", [("--dry-run",), ("--days", "3")])
def test_options_of_prune_without_it(
    root: Path, command: Callable[..., Done], words: tuple[str, ...]
) -> None:
    done = command(root, *words)
    assert done.returncode == 2
    assert "add --prune" in done.stderr.strip().splitlines()[-1]


def test_a_cache_that_is_no_folder_is_one_line(
    tmp_path: Path, command: Callable[..., Done]
) -> None:
    (tmp_path / "file").write_text("x")
    done = command(tmp_path / "file")
    assert done.returncode == 3
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"execmem-bench: {tmp_path / 'file'} cannot be the cache (")
    assert "EXECMEM_BENCH_CACHE" in line
