# SPDX-License-Identifier: GPL-2.0-only
"""Programs, disk and memory: what building and emulating need."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from harness.cache import size
from harness.doctor.facts import Facts
from harness.doctor.finding import GUESTS, Area, Finding, Level, Use
from harness.itlb.plugin import QEMU

QEMU_MAJOR = 10
"""The first with the plugin interface that the model needs (version 4)."""
BUILD = (
    *("gcc", "make", "flex", "bison", "bc", "pahole", "cpio", "patch", "rsync", "pkg-config"),
    *("lz4", "xz", "zstd", "kmod", "mmdebstrap", "busybox"),
)
CLANG = ("clang-14", "clang")
"""Any of them; the kernel's own bench needs one for its BPF programs."""
LOCAL = ("unshare", "setarch", "chroot", "cpio")
"""What runs a trial without a guest."""
SETUP = "make setup"

CACHE_BYTES = 8 << 30
"""4.5 GB after all of `make test` (measured), and another output tree of a kernel build (3 GB)."""
RESULTS_BYTES = 2 << 30
MEMORY_BYTES = 6 << 30
"""Two trials side by side, and room."""


def findings(facts: Facts, qemu: str | None) -> Iterator[Finding]:
    """``qemu``: the first line of its --version; None where it is not there."""
    yield _qemu(qemu)
    yield _build(facts)
    yield namespaces(facts)
    yield _room(facts, "cache", "room for kernels and images", CACHE_BYTES, Use.BUILD)
    yield _room(facts, "results", "room for results", RESULTS_BYTES, *GUESTS)
    yield _room(facts, "memory", "free memory", MEMORY_BYTES, *GUESTS)


def major(version: str | None) -> int | None:
    """The major version in QEMU's first line; None where there is none."""
    words = (version or "").partition("version ")[2].split(".")[0]
    return int(words) if words.isdecimal() else None


def _qemu(version: str | None) -> Finding:
    found = major(version)
    good = found is not None and found >= QEMU_MAJOR
    return Finding(
        name="qemu",
        area=Area.PROGRAMS,
        title=QEMU,
        level=Level.OK if good else Level.WRONG,
        found=(version or "none").removeprefix("QEMU emulator ").partition(" (")[0],
        wanted=f"{QEMU_MAJOR} or later",
        why="it runs every guest, and the model is a plugin of it",
        fix="" if good else SETUP,
        needed_by=GUESTS,
    )


def _build(facts: Facts) -> Finding:
    missing = _missing(facts, BUILD)
    if not any(facts.program(name) for name in CLANG):
        missing.append(CLANG[-1])
    return Finding(
        name="build",
        title="compilers and tools",
        why="kernels, the guest image and the model are built here; saved runs need none of them",
        fix=SETUP if missing else "",
        needed_by=frozenset({Use.BUILD}),
        **_all_there(missing, len(BUILD) + 1),
    )


def namespaces(facts: Facts) -> Finding:
    """What a trial without a guest is run with."""
    missing = _missing(facts, LOCAL)
    return Finding(
        name="namespaces",
        title="tools for KERNEL=local",
        why="a trial without a guest gets namespaces and a root file system of its own, and takes "
        "root",
        fix="install util-linux and cpio" if missing else "",
        needed_by=frozenset({Use.LOCAL}),
        **_all_there(missing, len(LOCAL)),
    )


def _missing(facts: Facts, names: Iterable[str]) -> list[str]:
    return [name for name in names if not facts.program(name)]


def _all_there(missing: Sequence[str], total: int) -> dict[str, Any]:
    return {
        "area": Area.PROGRAMS,
        "level": Level.WRONG if missing else Level.OK,
        "found": f"not there: {', '.join(missing)}" if missing else f"all {total}",
        "wanted": "all",
    }


def _room(facts: Facts, what: str, title: str, wanted: int, *uses: Use) -> Finding:
    free = facts.free(what)
    level = Level.UNKNOWN if free is None else Level.OK if free >= wanted else Level.NOTE
    fixes = {
        "cache": "execmem-bench cache --prune, or EXECMEM_BENCH_CACHE=<folder on a larger disk>",
        "results": "--out <folder on a larger disk>",
        "memory": "--jobs 1",
    }
    return Finding(
        name=f"room.{what}",
        area=Area.PROGRAMS,
        title=title,
        level=level,
        found="unknown" if free is None else size(free),
        wanted=size(wanted),
        why="a run that fills it ends early; what was measured is kept",
        fix="" if level is Level.OK else fixes[what],
        needed_by=frozenset(uses),
    )
