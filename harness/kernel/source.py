# SPDX-License-Identifier: GPL-2.0-only
"""The base source: where it comes from, its hash, its version, its own work tree.

A base is unpacked once. A series is then laid over it file by file: the originals of
touched files are kept aside, the patched ones are made in a scratch folder, and only
files whose content differs are written. So a change of variant gives new modification
times to the files it changes and to no other, and one killed half-way heals itself.
"""

import functools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import cache
from harness.errors import InfrastructureError, PrerequisiteError, UserError
from harness.kernel import debian, patch_series, recipe
from harness.proc import run

DEBIAN_SOURCES = Path("/usr/src")
DOWNLOADED = ("linux-source-7.3",)
"""Bases that are had from a newer Debian release where the machine's own lacks them."""

_VERSION = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)$", re.MULTILINE)
_MAKEFILE = "linux/Makefile"
COMPLETE = "complete"
"""File of a work tree whose source is unpacked as a whole."""

_REMEDY = "give a kernel tree or tarball as KERNEL_SRC="


@dataclass(frozen=True, kw_only=True)
class Source:
    """A base source: a tarball or a tree, known by the hash of its content."""

    path: Path
    sha256: str
    is_tree: bool


@dataclass(frozen=True, kw_only=True)
class WorkTree:
    """A base unpacked for building. ``root`` holds ``linux/``, ``pristine/``, ``lock``."""

    root: Path
    version: str  # of the base, e.g. "6.1.192"

    @property
    def linux(self) -> Path:
        return self.root / "linux"

    @property
    def pristine(self) -> Path:
        """Originals of the files that a series has touched so far."""
        return self.root / "pristine"


def locate(base: str, override: str | None, downloads: Path, say: Callable[[str], None]) -> Source:
    """The base source: ``override`` (a tree or tarball), else the Debian package ``base``.

    Where the package is not installed, one of ``DOWNLOADED`` is had from Debian's mirror and
    kept below ``downloads``. Raises UserError for an override that is not a kernel source,
    PrerequisiteError when there is no source.
    """
    if override:
        return user_source(override)
    path = DEBIAN_SOURCES / f"{base}.tar.xz"
    if not path.is_file():
        if base not in DOWNLOADED:
            raise PrerequisiteError(
                f"{path} is missing", f"install the Debian package {base}, or {_REMEDY}"
            )
        path = debian.fetch_source(base, downloads, say)
    return Source(path=path, sha256=_tarball_sha256(path), is_tree=False)


def at_hand(base: str, override: str | None, downloads: Path) -> Source | None:
    """As ``locate``, of what is on this machine already; None: it would be downloaded."""
    if not override and base in DOWNLOADED and not (DEBIAN_SOURCES / f"{base}.tar.xz").is_file():
        path = debian.downloaded_source(base, downloads)
        if path is None:
            return None
        return Source(path=path, sha256=_tarball_sha256(path), is_tree=False)
    return locate(base, override, downloads, cache.ignore)


def user_source(text: str) -> Source:
    """The tree or tarball ``text`` of the user's own. Raises UserError when it is none."""
    path = Path(text).expanduser().resolve()
    if path.is_dir():
        if not (path / "Kbuild").is_file() or not (path / "arch/x86").is_dir():
            raise UserError(f"KERNEL_SRC={text}: no kernel tree there", _REMEDY)
        return Source(path=path, sha256=_tree_sha256_once(path), is_tree=True)
    if not path.is_file():
        raise UserError(f"KERNEL_SRC={text}: not there", _REMEDY)
    return Source(path=path, sha256=_tarball_sha256(path), is_tree=False)


def version_of(text: str) -> tuple[int, int]:
    """Version and patch level of the user's tree or tarball ``text``, from its Makefile.

    Raises UserError when it is not a kernel source.
    """
    path = Path(text).expanduser().resolve()
    if path.is_dir():
        makefile = path / "Makefile"
        head = makefile.read_text(encoding="utf-8") if makefile.is_file() else ""
    elif path.is_file():
        head = _makefile_in(path, path.stat().st_mtime_ns)
    else:
        raise UserError(f"KERNEL_SRC={text}: not there", _REMEDY)
    words = parse_version(head, f"KERNEL_SRC={text}").split(".")
    return int(words[0]), int(words[1])


@functools.cache
def _makefile_in(tarball: Path, mtime_ns: int) -> str:
    """The top Makefile of a tarball, "" where there is none; reads no further than that."""
    argv = ["tar", "-xOf", str(tarball), "--occurrence=1", "--wildcards",
            "--no-wildcards-match-slash", "*/Makefile"]  # fmt: skip
    return run(argv, check=False).stdout


def stand_ins(
    text: str | None, bases: Collection[str], version: Callable[[str], tuple[int, int]] = version_of
) -> dict[str, str]:
    """Which source of KERNEL_SRC (a list with commas) replaces which of ``bases``.

    Each stands in for the newest base that is not newer than it, so a 6.1 tree never becomes
    Linux 7.3; one older than every base for the oldest. Raises UserError when two are for one.
    """
    ordered = sorted(bases, key=recipe.base_version)
    chosen: dict[str, str] = {}
    for word in [part.strip() for part in (text or "").split(",") if part.strip()]:
        older = [base for base in ordered if recipe.base_version(base) <= version(word)]
        base = older[-1] if older else ordered[0]
        if base in chosen:
            raise UserError(
                f"KERNEL_SRC={text}: both {chosen[base]} and {word} would replace {base}",
                "give one source for each base",
            )
        chosen[base] = word
    return chosen


def _tarball_sha256(path: Path) -> str:
    info = path.stat()
    return _unchanged_file_sha256(path, info.st_size, info.st_mtime_ns)


@functools.cache
def _unchanged_file_sha256(path: Path, size: int, mtime_ns: int) -> str:
    return cache.sha256_file(path)


def tree_files(tree: Path) -> tuple[str, ...]:
    """The source files of a tree, relative and sorted: what git tracks, else every file.

    Raises UserError for a tree without git that has been built in.
    """
    if (tree / ".git").exists():
        listed = run(["git", "-C", str(tree), "ls-files", "-z", "--cached"]).stdout
        return tuple(sorted(f for f in listed.split("\0") if f and os.path.lexists(tree / f)))
    if (tree / ".config").exists() or (tree / "include/config").exists():
        raise UserError(f"KERNEL_SRC={tree} has been built in", "run `make mrproper` there")
    files: list[str] = []
    for folder, _, names in os.walk(tree):
        files += [str(Path(folder, name).relative_to(tree)) for name in names]
    return tuple(sorted(files))


def tree_sha256(tree: Path) -> str:
    """Hash over names, contents, link targets and execute bits of a tree's source files."""
    lines: list[bytes] = []
    for name in tree_files(tree):
        path = tree / name
        if path.is_symlink():
            entry = "link " + str(path.readlink())
        elif path.is_file():
            kind = "x" if os.access(path, os.X_OK) else "-"
            entry = f"{kind} {cache.sha256_file(path)}"
        else:
            continue
        lines.append(f"{name}\0{entry}\n".encode(errors="surrogateescape"))
    return cache.sha256_bytes(b"".join(lines))


def _tree_sha256_once(tree: Path) -> str:
    """``tree_sha256``, computed again only when a file's size or time has changed."""
    lines: list[str] = []
    for name in tree_files(tree):
        info = (tree / name).lstat()
        lines.append(f"{name} {info.st_mode} {info.st_size} {info.st_mtime_ns}\n")
    return _unchanged_tree_sha256(tree, "".join(lines))


@functools.cache
def _unchanged_tree_sha256(tree: Path, marks: str) -> str:
    return tree_sha256(tree)


def parse_version(makefile: str, where: str) -> str:
    """``6.1.192`` from the head of a kernel's Makefile. Raises UserError naming ``where``."""
    parts: dict[str, str] = dict(_VERSION.findall(makefile))
    if not parts.get("VERSION"):
        raise UserError(f"{where}: no kernel version in it", _REMEDY)
    numbers = (parts["VERSION"], parts.get("PATCHLEVEL", "0"), parts.get("SUBLEVEL") or "0")
    return ".".join(numbers) + parts.get("EXTRAVERSION", "")


def work_name(source: Source) -> str:
    """Name of the work tree of ``source``."""
    return source.sha256[:16]


def unpack(source: Source, parent: Path, say: Callable[[str], None]) -> WorkTree:
    """The work tree of ``source`` below ``parent``, unpacked if it is not there yet.

    Raises UserError when the source is not a kernel, InfrastructureError when it cannot be
    unpacked (disk full, damaged tarball).
    """
    root = parent / work_name(source)
    marker = root / _MAKEFILE
    if not (root / COMPLETE).is_file():
        say(f"unpacking {source.path.name}")
        if root.exists():
            shutil.rmtree(root)
        try:
            (root / "linux").mkdir(parents=True)
            if source.is_tree:
                _copy_tree(source.path, root / "linux")
            else:
                run(["tar", "-xf", str(source.path), "--strip-components=1", "--no-same-owner",
                     "-C", str(root / "linux")])  # fmt: skip
        except (OSError, InfrastructureError) as error:
            raise InfrastructureError(
                f"{source.path} cannot be unpacked below {parent} ({_first_line(error)})",
                "free some space there (4 GB are needed), or mend the tarball",
            ) from error
        if not marker.is_file():
            raise UserError(f"{source.path}: no Makefile at its top", _REMEDY)
        (root / COMPLETE).touch()
    return WorkTree(root=root, version=version_in(root, str(source.path)))


def version_in(root: Path, where: str = "") -> str:
    """The version of the source in the work tree ``root``, which came from ``where``.

    Raises UserError when there is none.
    """
    text = (root / _MAKEFILE).read_text(encoding="utf-8")
    return parse_version(text, where or str(root))


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[-1] if str(error) else type(error).__name__


def _copy_tree(tree: Path, to: Path) -> None:
    for name in tree_files(tree):
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (tree / name).is_symlink():
            target.symlink_to((tree / name).readlink())
        elif (tree / name).is_file():
            shutil.copy2(tree / name, target)


def set_series(tree: WorkTree, patches: Sequence[patch_series.Patch]) -> tuple[str, ...]:
    """Make ``tree`` the base with exactly ``patches`` applied; returns the files written.

    Raises InfrastructureError (see ``series.apply``) and leaves the tree as it was when a
    patch does not apply.
    """
    touched = {file for patch in patches for file in patch.files}
    for file in sorted(touched):
        _keep_original(tree, file)
    known = _kept(tree)
    with tempfile.TemporaryDirectory(dir=tree.root, prefix="apply-") as scratch_name:
        scratch = Path(scratch_name)
        for file in sorted(touched):
            original = tree.pristine / file
            (scratch / file).parent.mkdir(parents=True, exist_ok=True)
            if original.is_file():
                shutil.copy2(original, scratch / file)
        for patch in patches:
            patch_series.apply(patch, scratch, f"{tree.version} ({tree.root.name})")
        written: list[str] = []
        for file in sorted(known):
            wanted = scratch / file if file in touched else tree.pristine / file
            if _replace(tree.linux / file, wanted):
                written.append(file)
    return tuple(written)


def _absent_marker(tree: WorkTree, file: str) -> Path:
    return tree.root / "absent" / file


def _keep_original(tree: WorkTree, file: str) -> None:
    kept, absent = tree.pristine / file, _absent_marker(tree, file)
    if kept.exists() or absent.exists():
        return
    target = kept if (tree.linux / file).exists() else absent
    target.parent.mkdir(parents=True, exist_ok=True)
    if target is absent:
        absent.touch()
        return
    cache.write_whole(target, (tree.linux / file).read_bytes(), like=tree.linux / file)


def _kept(tree: WorkTree) -> set[str]:
    paths: set[str] = set()
    for top in (tree.pristine, tree.root / "absent"):
        for path in top.rglob("*"):
            if path.is_file() and path.suffix != cache.PARTIAL:
                paths.add(str(path.relative_to(top)))
    return paths


def _replace(path: Path, wanted: Path) -> bool:
    """Give ``path`` the content of ``wanted`` (or remove it); whether anything changed."""
    if not wanted.is_file():
        if not path.exists():
            return False
        path.unlink()
        return True
    data = wanted.read_bytes()
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    cache.write_whole(path, data, like=wanted)
    return True
