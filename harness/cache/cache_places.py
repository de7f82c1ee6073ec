# SPDX-License-Identifier: GPL-2.0-only
"""Where things lie in the cache, and the two ways of writing and removing them."""

import shutil
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """What is kept, by the name of its folder below the cache."""

    KERNELS = "kernels"
    BENCH = "bench"
    SELFTESTS = "selftests"
    PACKAGES = "packages"  # kernels of the user's, unpacked
    MODULES = "modules"  # of the user's built trees
    DEBIAN = "debian"  # downloads from a newer release
    IMAGES = "images"  # layers of the guest image
    PLUGINS = "plugins"  # the model's plugin and replay driver
    PROGRAMS = "programs"  # C programs of workloads


WORK_TREES = "kernel-build"
"""Folder of unpacked sources with their output trees; each has ``<name>.lock`` beside it."""


CCACHE = "ccache"
"""Folder of ccache's own store."""


PARTIAL = ".partial"
"""Ends the name of a file that is being written."""


def write_whole(path: Path, data: bytes, like: Path | None = None) -> None:
    """Give ``path`` the content ``data`` in one step, with the permissions of ``like``."""
    partial = path.with_name(path.name + PARTIAL)
    partial.write_bytes(data)
    if like is not None:
        shutil.copymode(like, partial)
    partial.rename(path)


def lock_file(path: Path) -> Path:
    """The lock of the entry or work tree at ``path``."""
    return path.with_name(f"{path.name}.lock")


def scratch(path: Path) -> tuple[Path, ...]:
    """What is being made or removed at ``path``, or was when a process was killed."""
    return tuple(
        other
        for other in path.parent.glob(".*")
        if other.name.rpartition(".")[0] == f".{path.name}"
    )


def delete(path: Path) -> None:
    """Remove the file, link or folder ``path``, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
