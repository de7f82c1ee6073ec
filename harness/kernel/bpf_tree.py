# SPDX-License-Identifier: GPL-2.0-only
"""Build programs in the folder of the base's BPF self-tests: one of each for all kernels.

From the base with small series of ours, with the types of the unpatched base kernel, and
linked statically so that they depend on no library of the guest.
"""

import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import InfrastructureError, PrerequisiteError
from harness.kernel import cache, recipe, series, source
from harness.kernel.build import KernelRequest, Plan, Say, build_kernel, plan
from harness.proc import CommandError, run

FOLDER = "tools/testing/selftests/bpf"
_CLANGS = ("clang-14", "clang-15", "clang-16", "clang")

HEADERS: Mapping[str, str] = {"gelf.h": "libelf-dev", "zlib.h": "zlib1g-dev"}
"""Header that the programs include -> Debian package it is in."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where one build happens and with what."""

    name: str  # of the target
    linux: Path  # the patched base
    out: Path  # folder for what is built, empty at first
    btf: Path  # types of the unpatched base kernel
    clang: str
    path: str  # PATH
    jobs: int  # compilers side by side


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is built: its name in the cache and in messages, and all that decides the result."""

    name: str
    title: str  # for "building <title>"
    recipe: int
    series: tuple[str, ...]  # folders below configs/patches, on the base
    make: Callable[[Site, Callable[[Sequence[str]], None]], Sequence[Path]]
    """Builds at a site with a runner of command lines; gives the files to keep."""
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Built:
    """A target in the cache."""

    entry: Path
    files: Mapping[str, str]  # name -> SHA-256
    cached: bool


def find_clang() -> tuple[str, str]:
    """Name and version line of the clang to use. Raises PrerequisiteError."""
    for name in _CLANGS:
        if shutil.which(name):
            return name, run([name, "--version"]).stdout.splitlines()[0].strip()
    raise PrerequisiteError("not installed: clang-14", "run `make setup`")


def tool_path(clang: str) -> str:
    """PATH with the folder of clang's own llc and llvm-strip in front."""
    found = shutil.which(clang)
    folder = Path(found).resolve().parent if found else Path("/usr/bin")
    return f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin"


def make_argv(
    site: Site, goal: str, *, cflags: str, libraries: str, words: Sequence[str] = ()
) -> list[str]:
    """The command line that builds ``site.out/goal``; nothing in it depends on where."""
    mapping = f"-ffile-prefix-map={site.linux}=/linux -ffile-prefix-map={site.out}=/{site.name}"
    return [
        *recipe.environment(site.linux, None, site.path),
        "make",
        "-C",
        str(site.linux / FOLDER),
        f"-j{site.jobs}",
        f"OUTPUT={site.out}",
        f"VMLINUX_BTF={site.btf}",
        f"CLANG={site.clang} {mapping}",
        "LLC=llc",
        f"SAN_CFLAGS={f'{cflags} {mapping}'.strip()}",
        # The build id is a hash over the symbols too, which know where they were made.
        f"LDLIBS=-static -Wl,--build-id=none {libraries}",
        *words,
        str(site.out / goal),
    ]


def _key(target: Target, planned: Plan, patches: Sequence[series.Patch], clang: str) -> str:
    return recipe.digest(
        {
            target.name: target.recipe,
            "kernel": planned.key,
            "patches": [patch.sha256 for patch in patches],
            "clang": clang,
            "gcc": planned.tools.gcc,
            **target.inputs,
        }
    )


def build(target: Target, request: KernelRequest, say: Say, detail: Say) -> Built:
    """``target`` for ``request``, whose variant is the unpatched base, from the cache or made.

    Builds the base kernel first when it has to. Raises PrerequisiteError and
    InfrastructureError.
    """
    recipe.require({}, HEADERS)
    clang, version = find_clang()
    planned = plan(request)
    patches = series.load(target.series, request.configs / "patches")
    key = _key(target, planned, patches, version)
    store = request.cache / target.name
    entry = store / key
    if (record := cache.load(entry)) is not None:
        return Built(entry=entry, files=record.files, cached=True)
    kernel = build_kernel(request, say, detail)
    if kernel.btf is None:
        raise InfrastructureError(
            f"kernel {kernel.name} has no BTF", "add CONFIG_DEBUG_INFO_BTF=y to its fragments"
        )
    with cache.lock(planned.lock_file, target.name, say):
        if (record := cache.load(entry)) is not None:
            return Built(entry=entry, files=record.files, cached=True)
        began = time.monotonic()
        cache.sweep(store)
        tree = source.unpack(planned.source, planned.work, say)
        source.set_series(tree, (*planned.patches, *patches))
        site = Site(
            name=target.name,
            linux=tree.linux,
            out=tree.root / target.name,
            btf=kernel.btf,
            clang=clang,
            path=tool_path(clang),
            jobs=request.jobs,
        )
        with cache.new_entry(store, key) as staging:
            for path in _make(target, site, tree.root / f"{target.name}.log", say, detail):
                shutil.copy2(path, staging / path.name)
            facts = {"clang": version, "gcc": planned.tools.gcc, "base": tree.version}
            record = cache.publish(staging, key, time.monotonic() - began, facts)
        shutil.rmtree(site.out, ignore_errors=True)
    return Built(entry=entry, files=record.files, cached=False)


def _make(target: Target, site: Site, log: Path, say: Say, detail: Say) -> Sequence[Path]:
    shutil.rmtree(site.out, ignore_errors=True)
    site.out.mkdir()
    log.unlink(missing_ok=True)
    say(f"building {target.title} with {site.clang} (log: {log})")

    def runner(argv: Sequence[str]) -> None:
        run(argv, log=log, on_line=lambda line: detail(f"{target.name}: {line.strip()}"))

    try:
        return target.make(site, runner)
    except CommandError as error:
        wrong = [line for line in error.output.splitlines() if re.search(r"error:|Error ", line)]
        why = wrong[0].strip() if wrong else str(error).splitlines()[-1]
        raise InfrastructureError(f"{target.name} does not build: {why}", f"see {log}") from error
