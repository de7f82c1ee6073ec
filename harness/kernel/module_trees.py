# SPDX-License-Identifier: GPL-2.0-only
"""The modules of a kernel of the user's own: where they are, and which of them a guest gets."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from harness import cache
from harness.cache import Say
from harness.kernel import recipe
from harness.kernel.package import index_modules
from harness.proc import run

_BASES = ("", "usr")
"""Where ``lib/`` may be below the root of a file system."""


def beside(image: Path, release: str) -> Path | None:
    """The folder that holds ``lib/modules/<release>`` for an image in ``boot/``, next to ``lib/``,
    or in ``lib/modules/<release>`` itself; None: there is none."""
    for folder in image.parents[:4] if release else ():
        for base in _BASES:
            if (folder / base / "lib/modules" / release / "modules.dep").is_file():
                return folder / base
    return None


def of_tree(tree: Path, release: str, store: Path, say: Say) -> Path | None:
    """The modules that were built in ``tree``, copied to ``store`` as ``lib/modules/<release>``,
    without debugging information; None when none was built.

    The user's tree is only read. Raises CommandError where a module cannot be read.
    """
    built = _built(tree)
    if not built or not release:
        return None
    marks = [(str(p.relative_to(tree)), p.stat().st_size, p.stat().st_mtime_ns) for p in built]
    key = recipe.digest([str(tree), release, marks])

    def make(staging: Path) -> cache.Facts:
        say(f"copying {len(built)} modules of {tree}")
        _copy(tree, built, staging / "lib/modules" / release)
        index_modules(staging)
        return {"release": release, "tree": str(tree)}

    return cache.get_or_make(store, key, make, name=f"modules of {tree.name}", say=say).path


def _built(tree: Path) -> list[Path]:
    """Modules that the last build listed; its ``modules.order`` names objects since Linux 6.4."""
    try:
        lines = (tree / "modules.order").read_text().split()
    except OSError:
        return []
    files = [tree / PurePosixPath(line).with_suffix(".ko") for line in lines]
    return [file for file in files if file.is_file()]


def _copy(tree: Path, built: Iterable[Path], to: Path) -> None:
    for file in built:
        target = to / "kernel" / file.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        run(["strip", "--strip-debug", "-o", str(target), str(file)])
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        if (tree / name).is_file():
            shutil.copyfile(tree / name, to / name)


def dependencies(text: str) -> dict[str, tuple[str, ...]]:
    """``modules.dep``: file of a module -> files of all that it needs."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {file: tuple(needed.split()) for file, _, needed in pairs if file}


def name_of(file: str) -> str:
    """The name of the module in a file: ``kernel/net/sch_ingress.ko.xz`` -> ``sch_ingress``."""
    return PurePosixPath(file).name.partition(".ko")[0].replace("-", "_")


def wanted(needed: Mapping[str, Sequence[str]], patterns: Sequence[str]) -> tuple[str, ...]:
    """Files of the modules whose name one of ``patterns`` matches, and of all they need.

    ``needed`` as from ``dependencies``. Sorted.
    """
    kept: set[str] = set()
    for file, others in needed.items():
        if any(fnmatch(name_of(file), pattern) for pattern in patterns):
            kept |= {file, *others}
    return tuple(sorted(kept))


def files_for(folder: Path, patterns: Sequence[str]) -> tuple[str, ...]:
    """What of ``folder`` (``lib/modules/<release>``) a guest needs to load the modules that
    ``patterns`` name: their files and modprobe's own, relative to it; none: no module."""
    index = folder / "modules.dep"
    if not index.is_file():
        return ()
    kept = wanted(dependencies(index.read_text()), patterns)
    return (*kept, *(p.name for p in sorted(folder.glob("modules.*")))) if kept else ()
