# SPDX-License-Identifier: GPL-2.0-only
"""What is in the cache, and taking out what is not used any more."""

import os
import shutil
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from harness import cache
from harness.cache import Kind
from harness.errors import PrerequisiteError
from harness.kernel import source

DAYS = 30
"""What was not used for so long is taken out, unless the user says otherwise."""

DAY_S = 86400


class State(StrEnum):
    """What something in the cache is."""

    ENTRY = "entry"
    OUTDATED = "older format"  # made by an earlier version, which kept no record
    LEFTOVER = "leftover"  # of a process that was killed
    LOG = "log"  # of a build that failed
    SOURCE = "source"  # an unpacked kernel source
    OUTPUT = "output tree"  # of kernel builds in such a source
    CCACHE = "ccache"


@dataclass(frozen=True, kw_only=True)
class Item:
    """Something in the cache. Times are in seconds of the epoch."""

    kind: str  # its folder below the cache
    state: State
    name: str
    key: str
    path: Path
    guards: tuple[Path, ...]  # lock files, all of which must be free before it is removed
    bytes: int  # on the disk
    last_used: float
    made: float | None = None
    in_use: bool = False
    current: bool | None = None  # whether this checkout would use it; None: not known


@dataclass(frozen=True, kw_only=True)
class Current:
    """What this checkout would take of one kind: key -> what it is."""

    keys: Mapping[str, str]
    complete: bool = True  # nothing else of the kind is used; False: not known


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The cache as it is."""

    root: Path
    items: tuple[Item, ...]
    free: int  # bytes on the disk

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.items)


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What was taken out, or would be; ``kept`` was due and is in use."""

    removed: tuple[Item, ...] = ()
    kept: tuple[Item, ...] = ()
    dry_run: bool = False

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.removed)


def survey(root: Path, current: Mapping[str, Current] | None = None) -> Contents:
    """Everything below the cache folder ``root``; ``current`` is what the checkout would use.

    Changes nothing. Raises PrerequisiteError for a folder that cannot be read.
    """
    current = current or {}
    try:
        items = [item for kind in Kind for item in _of_kind(root / kind, current.get(kind))]
        items += _work_trees(root / cache.WORK_TREES, current.get(cache.WORK_TREES))
        items += _ccache(root)
        free = shutil.disk_usage(root).free
    except OSError as error:
        raise PrerequisiteError(
            f"{error.filename or root} cannot be read ({error.strerror})",
            "make it readable, or set EXECMEM_BENCH_CACHE to another folder",
        ) from error
    return Contents(root=root, items=tuple(items), free=free)


def prune(contents: Contents, *, days: int, dry_run: bool, now: float | None = None) -> Pruned:
    """Remove what was not used for ``days`` days (0: everything), and what killed processes left;
    never what a process uses, makes or removes.

    Raises InfrastructureError for what cannot be removed.
    """
    before = (time.time() if now is None else now) - days * DAY_S
    removed: list[Item] = []
    kept: list[Item] = []
    for item in contents.items:
        if item.state is not State.LEFTOVER and days and item.last_used > before:
            continue
        # Judged again when it is removed: it may have been taken since it was looked at.
        gone = not item.in_use if dry_run else cache.remove(item.path, item.guards)
        (removed if gone else kept).append(item)
    return Pruned(removed=tuple(removed), kept=tuple(kept), dry_run=dry_run)


@dataclass
class _Measured:
    """Size and newest change of files, added up."""

    bytes: int = 0
    newest: float = 0.0
    seen: set[tuple[int, int]] = field(default_factory=set)  # files with several names

    def add(self, info: os.stat_result) -> None:
        if info.st_nlink > 1 and not stat.S_ISDIR(info.st_mode):
            if (info.st_dev, info.st_ino) in self.seen:
                return
            self.seen.add((info.st_dev, info.st_ino))
        self.bytes += info.st_blocks * 512
        self.newest = max(self.newest, info.st_mtime)


def _measure(path: Path, *, without: Sequence[Path] = ()) -> _Measured:
    """What is at ``path``, without the folders ``without``. What vanishes meanwhile is nothing."""
    total = _Measured()
    left_out = {str(folder) for folder in without}
    todo = [str(path)]
    while todo:
        place = todo.pop()
        try:
            info = os.lstat(place)
            total.add(info)
            if stat.S_ISDIR(info.st_mode):
                with os.scandir(place) as children:
                    for child in children:
                        if child.is_dir(follow_symlinks=False):
                            if child.path not in left_out:
                                todo.append(child.path)
                        else:
                            total.add(child.stat(follow_symlinks=False))
        except FileNotFoundError:
            continue
    return total


def _children(folder: Path) -> Iterator[Path]:
    """What is in ``folder``, sorted, but lock files; nothing where it is absent or a link to
    another cache."""
    if folder.is_symlink() or not folder.exists():
        return
    for path in sorted(folder.iterdir()):
        if path.suffix != ".lock" and path.name != "lock":
            yield path


def _scratch_of(path: Path) -> Path | None:
    """The place that the scratch folder ``path`` (``.<key>.<suffix>``) was for."""
    key = path.name[1:].rpartition(".")[0]
    return path.with_name(key) if path.name.startswith(".") and key else None


def _of_kind(folder: Path, current: Current | None) -> Iterator[Item]:
    for path in _children(folder):
        record = cache.read_record(path)
        measured = _measure(path)
        place = path.with_suffix("") if path.suffix == ".log" else _scratch_of(path)
        state = State.OUTDATED
        if record is not None:
            state = State.ENTRY
        elif place is not None:
            state = State.LOG if path.suffix == ".log" else State.LEFTOVER
        guards = (cache.lock_file(place or path),) if record or place else ()
        yield Item(
            kind=folder.name,
            state=state,
            name=_name(path, record, current),
            key=path.name,
            path=path,
            guards=guards,
            bytes=measured.bytes,
            last_used=cache.last_used(path) if record else measured.newest,
            made=path.stat().st_mtime if record else None,
            in_use=any(map(cache.locked, guards)) or cache.held(path),
            current=_is_current(path.name, current) if record else None,
        )


def _name(path: Path, record: cache.Record | None, current: Current | None) -> str:
    if current and path.name in current.keys:
        return current.keys[path.name]
    if record is None:
        return path.name
    if not record.name and "release" in record.facts:
        return f"kernel {record.facts['release']}"
    return record.name or str(record.facts.get("package", path.parent.name))


def _is_current(key: str, current: Current | None) -> bool | None:
    if current is None:
        return None
    return key in current.keys or (False if current.complete else None)


def _work_trees(folder: Path, current: Current | None) -> Iterator[Item]:
    for root in _children(folder):
        place = _scratch_of(root)
        guards = (cache.lock_file(place or root),)
        in_use = any(map(cache.locked, guards))
        if place or not (root / source.COMPLETE).is_file():
            measured = _measure(root)
            yield Item(
                kind=folder.name, state=State.LEFTOVER, name=root.name, key=root.name, path=root,
                guards=guards, bytes=measured.bytes, last_used=measured.newest, in_use=in_use,
            )  # fmt: skip
            continue
        linux = f"Linux {source.version_in(root)}"
        outputs = sorted((root / "linux").glob("out-[0-9]*"))
        used = max(path.stat().st_mtime for path in (root, *root.iterdir()))
        for output in outputs:
            measured = _measure(output)
            used = max(used, measured.newest)
            yield Item(
                kind=folder.name, state=State.OUTPUT, name=f"{linux}, {output.name}",
                key=f"{root.name}/{output.name}", path=output, guards=guards,
                bytes=measured.bytes, last_used=measured.newest, in_use=in_use,
                current=_is_current(root.name, current),
            )  # fmt: skip
        # After its output trees, which are in it.
        yield Item(
            kind=folder.name, state=State.SOURCE, name=linux, key=root.name, path=root,
            guards=guards, bytes=_measure(root, without=outputs).bytes, last_used=used,
            made=(root / source.COMPLETE).stat().st_mtime, in_use=in_use,
            current=_is_current(root.name, current),
        )  # fmt: skip


def _ccache(root: Path) -> Iterator[Item]:
    """ccache's store; only builds in the work trees use it."""
    folder = root / cache.CCACHE
    if folder.is_symlink() or not folder.is_dir():
        return
    guards = tuple(sorted((root / cache.WORK_TREES).glob("*.lock")))
    measured = _measure(folder)
    yield Item(
        kind=folder.name, state=State.CCACHE, name="object files", key=folder.name, path=folder,
        guards=guards, bytes=measured.bytes, last_used=measured.newest,
        in_use=any(map(cache.locked, guards)),
    )  # fmt: skip
