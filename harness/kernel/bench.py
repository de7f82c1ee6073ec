# SPDX-License-Identifier: GPL-2.0-only
"""Build ``bench``, the benchmark program of the base's BPF self-tests.

One binary for all kernels, from the base with the series ``bench`` (optimisation only).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.cache import Kind, Say, ignore
from harness.kernel import bpf_tree
from harness.kernel.artefacts import Bench
from harness.kernel.build import KernelRequest
from harness.model.specs import VariantSpec

PROGRAM = "bench"


def base_variant(variants: Mapping[str, VariantSpec]) -> VariantSpec:
    """The variant whose kernel gives bench its types: the measured one without patches."""
    for variant in variants.values():
        if not variant.series and not variant.by_name_only:
            return variant
    return VariantSpec(name="base", title="unpatched base", role="types for bench")


def make_argv(site: bpf_tree.Site) -> list[str]:
    """The command line that builds ``bench``."""
    return bpf_tree.make_argv(site, PROGRAM, cflags="", libraries="-lelf -lz -lrt -lpthread -lm")


def _make(site: bpf_tree.Site, run: Callable[[Sequence[str]], None]) -> list[Path]:
    run(make_argv(site))
    # Without symbols nothing in it depends on where it was built.
    run(["strip", "--strip-all", str(site.out / PROGRAM)])
    return [site.out / PROGRAM]


TARGET = bpf_tree.Target(kind=Kind.BENCH, title="bench", recipe=2, series=("bench",), make=_make)
"""``recipe`` is raised when this module changes what comes out of a build."""


def build_bench(request: KernelRequest, say: Say = ignore, detail: Say = ignore) -> Bench:
    """The bench program for ``request``; raises as ``bpf_tree.build``."""
    entry = bpf_tree.build(TARGET, request, say, detail)
    return Bench(path=entry.path / PROGRAM, sha256=entry.record.files[PROGRAM], cached=entry.cached)
