# SPDX-License-Identifier: GPL-2.0-only
"""The cache: only whole, unchanged entries are taken, and one process at a time makes one."""

import errno
import fcntl
import hashlib
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from harness import cache
from harness.errors import InfrastructureError, PrerequisiteError, UserError
from harness.tests.unit.other_process import holding

KEY = "k" * 64


def fill(staging: Path, content: str = "image") -> cache.Facts:
    (staging / "bzImage").write_text(content)
    (staging / "modules/lib").mkdir(parents=True)
    (staging / "modules/lib/a.ko").write_text("a")
    (staging / "modules/lib/b.ko").symlink_to("a.ko")
    return {"base": "6.1.192", "patches": ["x"]}


def make(store: Path, say: cache.Say = cache.ignore) -> cache.Entry:
    return cache.get_or_make(store, KEY, fill, name="kernel x", say=say)


def names(store: Path) -> list[str]:
    """What is in ``store`` but lock files."""
    return sorted(path.name for path in store.iterdir() if path.suffix != ".lock")


def test_made_once_then_taken(tmp_path: Path) -> None:
    first, second = make(tmp_path), make(tmp_path)
    assert (first.cached, second.cached) == (False, True)
    assert first.path == second.path == tmp_path / KEY
    assert first.record == second.record
    assert second.record.name == "kernel x"
    assert second.record.facts == {"base": "6.1.192", "patches": ["x"]}
    assert set(second.record.files) == {"bzImage", "modules"}
    assert second.part("bzImage") == tmp_path / KEY / "bzImage"
    assert second.part("System.map") is None
    assert names(tmp_path) == [KEY]


def test_equal_content_gives_equal_hashes(tmp_path: Path) -> None:
    assert make(tmp_path / "1").record.files == make(tmp_path / "2").record.files


def test_hashes_are_those_of_the_first_format(tmp_path: Path) -> None:
    """Kernels of before stay valid: how a folder is hashed must never change."""
    digest = hashlib.sha256(b"a").hexdigest()
    lines = f"lib/a.ko\0{digest}\nlib/b.ko\0link a.ko\n"
    files = make(tmp_path).record.files
    assert files["modules"] == hashlib.sha256(lines.encode()).hexdigest()
    assert files["bzImage"] == cache.sha256_bytes(b"image")


def test_a_record_without_a_name_is_read(tmp_path: Path) -> None:
    path = make(tmp_path).path / cache.RECORD
    record = msgspec.json.decode(path.read_bytes())
    del record["name"]
    path.write_bytes(msgspec.json.encode(record))
    assert make(tmp_path).cached


def test_taking_marks_as_used(tmp_path: Path) -> None:
    path = make(tmp_path).path
    os.utime(path / cache.RECORD, (1, 1))
    assert cache.last_used(path) == 1
    make(tmp_path)
    assert time.time() - cache.last_used(path) < 60


def truncate(entry: Path) -> None:
    (entry / "bzImage").write_text("ima")


def edit_same_size(entry: Path) -> None:
    info = (entry / "bzImage").stat()
    (entry / "bzImage").write_text("imagE")
    os.utime(entry / "bzImage", ns=(info.st_atime_ns, info.st_mtime_ns))


def edit_module(entry: Path) -> None:
    (entry / "modules/lib/a.ko").write_text("b")


def retarget(entry: Path) -> None:
    (entry / "modules/lib/b.ko").unlink()
    (entry / "modules/lib/b.ko").symlink_to("c.ko")


def remove(entry: Path) -> None:
    (entry / "bzImage").unlink()


def no_record(entry: Path) -> None:
    (entry / cache.RECORD).unlink()


def half_record(entry: Path) -> None:
    (entry / cache.RECORD).write_bytes((entry / cache.RECORD).read_bytes()[:40])


def other_format(entry: Path) -> None:
    record = msgspec.json.decode((entry / cache.RECORD).read_bytes())
    record["format"] = 0
    (entry / cache.RECORD).write_bytes(msgspec.json.encode(record))


def other_key(entry: Path) -> None:
    record = msgspec.json.decode((entry / cache.RECORD).read_bytes())
    record["key"] = "j" * 64
    (entry / cache.RECORD).write_bytes(msgspec.json.encode(record))


def a_file_instead(entry: Path) -> None:
    entry.rename(entry.with_name("aside"))
    entry.write_text("a program of an older format")


@pytest.mark.parametrize(
    "damage",
    [
        truncate, edit_same_size, edit_module, retarget, remove, no_record, half_record,
        other_format, other_key, a_file_instead,
    ],
)  # fmt: skip
def test_a_damaged_entry_is_made_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = make(tmp_path).path
    damage(path)
    assert cache.take(path) is None
    lines: list[str] = []
    entry = make(tmp_path, lines.append)
    assert not entry.cached
    assert (path / "bzImage").read_text() == "image"
    assert lines == [f"kernel x: {path} is damaged or of an older format; it is made again"]
    assert make(tmp_path, lines.append).cached


def test_no_entry(tmp_path: Path) -> None:
    assert cache.take(tmp_path / KEY) is None
    assert cache.load(tmp_path / KEY) is None


def test_a_failed_make_leaves_nothing_and_says_its_own_error(tmp_path: Path) -> None:
    def fail(staging: Path) -> cache.Facts:
        (staging / "bzImage").write_text("half")
        raise UserError("does not compile")

    with pytest.raises(UserError, match="does not compile"):
        cache.get_or_make(tmp_path, KEY, fail, name="x")
    assert names(tmp_path) == []


def test_the_disk_is_full_while_making(tmp_path: Path) -> None:
    def fail(staging: Path) -> cache.Facts:
        Path("/dev/full").write_bytes(b"x")
        raise AssertionError

    with pytest.raises(InfrastructureError) as caught:
        cache.get_or_make(tmp_path, KEY, fail, name="x")
    assert f"{tmp_path / KEY} cannot be made (No space left on device" in str(caught.value)
    assert "cache --prune" in caught.value.remedy
    assert names(tmp_path) == []


def test_the_disk_is_full_while_publishing(tmp_path: Path) -> None:
    """Files of a process may not grow beyond a limit: a real error of a real write."""

    def limited(staging: Path) -> cache.Facts:
        facts = fill(staging)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
        return facts

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(InfrastructureError, match="cannot be made"):
            cache.get_or_make(tmp_path, KEY, limited, name="x")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert names(tmp_path) == []
    assert not make(tmp_path).cached


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "kernels").write_text("a file in the way")
    with pytest.raises(InfrastructureError) as caught:
        make(tmp_path / "kernels")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "kernels") in str(caught.value)


def start(script: str, *words: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
    )


MAKER = """
    import sys, time
    from pathlib import Path
    from harness import cache

    store, log = Path(sys.argv[1]), Path(sys.argv[2])

    def make(staging):
        with log.open("a") as file:
            file.write("made\\n")
        print("making", flush=True)
        time.sleep(1.5)
        (staging / "file").write_text("x")
        return {}

    entry = cache.get_or_make(store, "key", make, name="thing", say=lambda line: print(line))
    print("cached" if entry.cached else "made")
"""


def test_two_processes_make_one_entry_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    first = start(MAKER, tmp_path / "store", log)
    assert first.stdout is not None
    assert first.stdout.readline() == "making\n"
    second = start(MAKER, tmp_path / "store", log)
    outputs = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert outputs[0].splitlines() == ["made"]
    assert outputs[1].splitlines() == [
        "thing: waiting for another process, which is making it",
        "cached",
    ]
    assert log.read_text() == "made\n"
    assert names(tmp_path / "store") == ["key"]


def test_what_a_killed_maker_left_is_removed_by_the_next(tmp_path: Path) -> None:
    store = tmp_path / "store"
    victim = start(MAKER, store, tmp_path / "log")
    assert victim.stdout is not None
    assert victim.stdout.readline() == "making\n"
    victim.kill()
    victim.communicate()
    assert len(cache.scratch(store / "key")) == 1
    assert cache.take(store / "key") is None
    entry = cache.get_or_make(store, "key", fill, name="thing")
    assert not entry.cached
    assert names(store) == ["key"]


def test_scratch_of_another_key_is_left_alone(tmp_path: Path) -> None:
    """It may be of a process that makes another entry right now."""
    (tmp_path / ".linux-source-7.3.abcd1234").mkdir()
    make(tmp_path)
    assert names(tmp_path) == [".linux-source-7.3.abcd1234", KEY]
    assert cache.scratch(tmp_path / "linux-source-7.3") == (
        tmp_path / ".linux-source-7.3.abcd1234",
    )
    assert cache.scratch(tmp_path / "linux-source-7") == ()


def test_the_lock_of_the_work_tree_is_held_while_making(tmp_path: Path) -> None:
    site = tmp_path / "kernel-build/0123"
    site.parent.mkdir()
    seen: list[bool] = []

    def look(_: Path) -> cache.Facts:
        seen.append(cache.locked(cache.lock_file(site)))
        return {}

    cache.get_or_make(tmp_path / "kernels", KEY, look, name="x", site=site)
    assert seen == [True]
    assert not cache.locked(cache.lock_file(site))


def test_a_lock_that_is_free_says_nothing(tmp_path: Path) -> None:
    lines: list[str] = []
    for _ in range(2):
        with cache.lock(tmp_path / "deep" / "lock", "kernel x", lines.append):
            pass
    assert lines == []


def test_an_entry_is_held_until_its_process_ends(tmp_path: Path) -> None:
    path = make(tmp_path).path
    cache.release(path)
    guards = (cache.lock_file(path),)
    with holding(path):
        assert cache.held(path)
        assert not cache.remove(path, guards)
        assert cache.load(path) is not None
    assert not cache.held(path)
    assert cache.remove(path, guards)
    assert names(tmp_path) == []


def test_an_entry_that_is_being_made_is_not_removed(tmp_path: Path) -> None:
    path = make(tmp_path).path
    cache.release(path)
    guards = (cache.lock_file(path),)
    with cache.lock(guards[0], "x", print):
        assert not cache.remove(path, guards)
    assert cache.load(path) is not None


def test_removing_what_a_killed_removal_left(tmp_path: Path) -> None:
    path = make(tmp_path).path
    cache.release(path)
    (tmp_path / f".{KEY}.gone").mkdir()
    (tmp_path / f".{KEY}.gone/file").write_text("x")
    assert cache.remove(path, (cache.lock_file(path),))
    assert names(tmp_path) == []


def test_a_cache_that_may_only_be_read_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    assert make(tmp_path).cached


def test_a_file_system_without_locks_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert cache.take(tmp_path / KEY) is not None
    assert not cache.held(tmp_path / KEY)


def test_a_folder_becomes_an_entry_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "download").mkdir()
    (tmp_path / "download/file").write_text("x")
    cache.enrol(tmp_path / "download", "a download")
    entry = cache.take(tmp_path / "download")
    assert entry is not None
    assert entry.record.files == {"file": cache.sha256_bytes(b"x")}


def test_hashes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc" * 1_000_000)
    assert cache.sha256_file(path) == hashlib.sha256(b"abc" * 1_000_000).hexdigest()
    assert cache.sha256_bytes(b"abc") == hashlib.sha256(b"abc").hexdigest()
    assert cache.content_sha256(path) == cache.sha256_file(path)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 kB"),
        (290 * 2**20, "290 MB"),
        (4402341478, "4.1 GB"),
        (23 * 2**30, "23 GB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert cache.size(count) == text


def test_too_little_room(tmp_path: Path) -> None:
    cache.require_room(tmp_path, 1, "build")
    with pytest.raises(PrerequisiteError) as caught:
        cache.require_room(tmp_path, 2**60, "build kernel upstream")
    assert "1073741824 GB needed to build kernel upstream" in str(caught.value)
    assert "cache --prune" in caught.value.remedy
    assert caught.value.exit_code == 3
