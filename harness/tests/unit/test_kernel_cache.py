# SPDX-License-Identifier: GPL-2.0-only
"""The store of finished builds: only whole, unchanged entries are believed."""

from pathlib import Path

import msgspec
import pytest

from harness.errors import InfrastructureError
from harness.kernel import cache

KEY = "k" * 64


def make(store: Path, content: str = "image") -> Path:
    with cache.new_entry(store, KEY) as staging:
        (staging / "bzImage").write_text(content)
        (staging / "modules/lib").mkdir(parents=True)
        (staging / "modules/lib/a.ko").write_text("a")
        (staging / "modules/lib/b.ko").symlink_to("a.ko")
        cache.publish(staging, KEY, 1.5, {"base": "6.1.192", "patches": ["x"]})
    return store / KEY


def test_round_trip(tmp_path: Path) -> None:
    record = cache.load(make(tmp_path))
    assert record is not None
    assert record.seconds == 1.5
    assert record.facts == {"base": "6.1.192", "patches": ["x"]}
    assert set(record.files) == {"bzImage", "modules"}
    assert [p.name for p in tmp_path.iterdir()] == [KEY]


def test_equal_content_gives_equal_hashes(tmp_path: Path) -> None:
    one, two = cache.load(make(tmp_path / "1")), cache.load(make(tmp_path / "2"))
    assert one is not None and two is not None
    assert one.files == two.files


def truncate(entry: Path) -> None:
    (entry / "bzImage").write_text("ima")


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


@pytest.mark.parametrize(
    "damage",
    [truncate, edit_module, retarget, remove, no_record, half_record, other_format, other_key],
)
def test_a_damaged_entry_is_not_believed_and_is_replaced(tmp_path: Path, damage: object) -> None:
    entry = make(tmp_path)
    assert callable(damage)
    damage(entry)
    assert cache.load(entry) is None
    assert cache.load(make(tmp_path)) is not None


def test_no_entry(tmp_path: Path) -> None:
    assert cache.load(tmp_path / KEY) is None


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), cache.new_entry(tmp_path, KEY) as staging:
        (staging / "bzImage").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_sweep_removes_leftovers_only(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / ".new-killed").mkdir()
    (tmp_path / ".new-killed/bzImage").write_text("half")
    cache.sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [KEY]


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    with cache.new_entry(tmp_path, KEY) as staging:
        (tmp_path / KEY).write_text("a file in the way")
        with pytest.raises(InfrastructureError, match="cannot be written"):
            cache.publish(staging, KEY, 1.0, {})


def test_the_lock_is_free_again_and_says_nothing_when_free(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        with cache.lock(tmp_path / "deep" / "lock", "kernel x", said.append):
            pass
    assert said == []
