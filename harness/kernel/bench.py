# SPDX-License-Identifier: GPL-2.0-only
"""Build ``bench``, the benchmark program of the base's BPF self-tests.

One binary for all kernels: from the base with the series ``bench`` (optimisation only),
with the types of the unpatched base kernel, linked statically so that it depends on no
library of the guest.
"""

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import InfrastructureError, PrerequisiteError
from harness.kernel import cache, recipe, series, source
from harness.kernel.artefacts import Bench
from harness.kernel.build import KernelRequest, Plan, Say, build_kernel, ignore, plan
from harness.model import VariantSpec
from harness.proc import CommandError, run

RECIPE = 2
"""Raised when this module changes what comes out of a build."""

SERIES = ("bench",)
_SELFTESTS = "tools/testing/selftests/bpf"
_CLANGS = ("clang-14", "clang-15", "clang-16", "clang")

HEADERS: Mapping[str, str] = {"gelf.h": "libelf-dev", "zlib.h": "zlib1g-dev"}
"""Header that bench includes -> Debian package it is in."""


def base_variant(variants: Mapping[str, VariantSpec]) -> VariantSpec:
    """The variant whose kernel gives bench its types: the one without patches."""
    for variant in variants.values():
        if not variant.series:
            return variant
    return VariantSpec(name="base", title="unpatched base", role="types for bench")


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


def bench_argv(linux: Path, out: Path, btf: Path, clang: str, path: str, jobs: int) -> list[str]:
    """The command line that builds ``out/bench`` from the self-tests in ``linux``."""
    mapping = f"-ffile-prefix-map={linux}=/linux -ffile-prefix-map={out}=/bench"
    return [
        *recipe.environment(linux, None, path),
        "make",
        "-C",
        str(linux / _SELFTESTS),
        f"-j{jobs}",
        f"OUTPUT={out}",
        f"VMLINUX_BTF={btf}",
        f"CLANG={clang} {mapping}",
        "LLC=llc",
        f"SAN_CFLAGS={mapping}",
        # The build id is a hash over the symbols too, which know where they were made.
        "LDLIBS=-static -Wl,--build-id=none -lelf -lz -lrt -lpthread -lm",
        str(out / "bench"),
    ]


def _key(todo: Plan, patches: Sequence[series.Patch], clang: str) -> str:
    return recipe.digest(
        {
            "bench": RECIPE,
            "kernel": todo.key,
            "patches": [patch.sha256 for patch in patches],
            "clang": clang,
            "gcc": todo.tools.gcc,
        }
    )


def build_bench(request: KernelRequest, say: Say = ignore, detail: Say = ignore) -> Bench:
    """The bench program for ``request``, whose variant is the unpatched base.

    Builds the base kernel first when it has to. Raises PrerequisiteError and
    InfrastructureError.
    """
    recipe.require({}, HEADERS)
    clang, version = find_clang()
    todo = plan(request)
    patches = series.load(SERIES, request.configs / "patches")
    key = _key(todo, patches, version)
    store = request.cache / "bench"
    if (record := cache.load(store / key)) is not None:
        return Bench(path=store / key / "bench", sha256=record.files["bench"], cached=True)
    kernel = build_kernel(request, say, detail)
    if kernel.btf is None:
        raise InfrastructureError(
            f"kernel {kernel.name} has no BTF", "add CONFIG_DEBUG_INFO_BTF=y to its fragments"
        )
    with cache.lock(todo.lock_file, "bench", say):
        if (record := cache.load(store / key)) is not None:
            return Bench(path=store / key / "bench", sha256=record.files["bench"], cached=True)
        began = time.monotonic()
        cache.sweep(store)
        tree = source.unpack(todo.source, todo.work, say)
        source.set_series(tree, (*todo.patches, *patches))
        built = _compile(request, tree, kernel.btf, clang, say, detail)
        with cache.new_entry(store, key) as entry:
            shutil.copyfile(built, entry / "bench")
            (entry / "bench").chmod(0o755)
            facts = {"clang": version, "gcc": todo.tools.gcc, "base": tree.version}
            record = cache.publish(entry, key, time.monotonic() - began, facts)
    return Bench(path=store / key / "bench", sha256=record.files["bench"], cached=False)


def _compile(
    request: KernelRequest, tree: source.WorkTree, btf: Path, clang: str, say: Say, detail: Say
) -> Path:
    out = tree.root / "bench"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    log = tree.root / "bench.log"
    log.unlink(missing_ok=True)
    say(f"building bench with {clang}")
    argv = bench_argv(tree.linux, out, btf, clang, tool_path(clang), request.jobs)
    try:
        run(argv, log=log, on_line=lambda line: detail(f"bench: {line.strip()}"))
        # Without symbols nothing in it depends on where it was built.
        run(["strip", "--strip-all", str(out / "bench")])
    except CommandError as error:
        wrong = [line for line in error.output.splitlines() if re.search(r"error:|Error ", line)]
        why = wrong[0].strip() if wrong else str(error).splitlines()[-1]
        raise InfrastructureError(f"bench does not build: {why}", f"see {log}") from error
    return out / "bench"
