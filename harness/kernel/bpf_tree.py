# SPDX-License-Identifier: GPL-2.0-only
"""Build programs in the folder of the base's BPF self-tests: one of each for all kernels.

From the base with small series of ours, with the types of the unpatched base kernel, and
linked statically so that they depend on no library of the guest.
"""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import cache
from harness.cache import Say
from harness.errors import InfrastructureError, PrerequisiteError
from harness.kernel import patch_series, recipe, source
from harness.kernel.build import KernelRequest, Plan, build_kernel, plan
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
    """What is built, and all that decides the result."""

    kind: cache.Kind
    title: str  # for "building <title>"
    recipe: int
    series: tuple[str, ...]  # folders below configs/patches, on the base
    make: Callable[[Site, Callable[[Sequence[str]], None]], Sequence[Path]]
    """Builds at a site with a runner of command lines; gives the files to keep."""
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in messages."""
        return self.kind.value


def find_clang() -> tuple[str, str]:
    """Name and version line of the clang to use. Raises PrerequisiteError."""
    for name in _CLANGS:
        if shutil.which(name):
            return name, run([name, "--version"]).stdout.splitlines()[0].strip()
    raise PrerequisiteError("not installed: clang-14", "run `make setup`")


def tool_path(clang: str) -> str:
    """PATH with the folder of clang's own llc and llvm-strip in front."""
    path = shutil.which(clang)
    folder = Path(path).resolve().parent if path else Path("/usr/bin")
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


def key(target: Target, planned: Plan, clang: str) -> str:
    """The content address of ``target`` with the types of the kernel ``planned``; ``clang`` is
    the compiler's version line."""
    patches = patch_series.load(target.series, planned.request.configs / "patches")
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


def build(target: Target, request: KernelRequest, say: Say, detail: Say) -> cache.Entry:
    """``target`` for ``request``, whose variant is the unpatched base, from the cache or made.

    Builds the base kernel first when it has to. Raises PrerequisiteError and
    InfrastructureError.
    """
    recipe.require({}, HEADERS)
    clang, version = find_clang()
    planned = plan(request)
    store, name = request.cache / target.kind, key(target, planned, version)
    if (entry := cache.take(store / name)) is not None:
        return entry
    # Before the work tree is taken, which it needs as well.
    kernel = build_kernel(request, say, detail)
    if kernel.btf is None:
        raise InfrastructureError(
            f"kernel {kernel.name} has no BTF", "add CONFIG_DEBUG_INFO_BTF=y to its fragments"
        )
    btf = kernel.btf

    def make(staging: Path) -> cache.Facts:
        tree = source.unpack(planned.source, planned.work, say)
        patches = patch_series.load(target.series, request.configs / "patches")
        source.set_series(tree, (*planned.patches, *patches))
        site = Site(
            name=target.name,
            linux=tree.linux,
            out=tree.root / target.name,
            btf=btf,
            clang=clang,
            path=tool_path(clang),
            jobs=request.jobs,
        )
        for path in _make(target, site, tree.root / f"{target.name}.log", say, detail):
            shutil.copy2(path, staging / path.name)
        shutil.rmtree(site.out, ignore_errors=True)
        return {"clang": version, "gcc": planned.tools.gcc, "base": tree.version}

    return cache.get_or_make(store, name, make, name=target.title, say=say, site=planned.site)


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
