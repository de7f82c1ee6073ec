# SPDX-License-Identifier: GPL-2.0-only
"""What of the cache this checkout would take now. Nothing is built, downloaded or taken."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from harness import cache
from harness.cache import Kind
from harness.config import definitions
from harness.errors import BenchError
from harness.image import guest_layers as image
from harness.image.compiled import program_key
from harness.itlb import plugin as itlb
from harness.kernel import base_variant, bench, bpf_tree, build, pahole, selftests, stage
from harness.paths import CONFIGS
from harness.pipeline.caching import Current
from harness.pipeline.loop_guest import PROGRAM


def current(root: Path, kernel_source: str | None) -> Mapping[str, Current]:
    """By kind, for the cache folder ``root`` and the user's KERNEL_SRC. A kind of which nothing
    can be known, because a tool or a source is absent, is left out."""
    variants = definitions.variants()
    request = stage.StageRequest(
        variants=variants, configs=CONFIGS, cache=root, jobs=1, source=kernel_source
    )
    try:
        requests = stage.kernel_requests(request, list(variants.values()), cache.ignore)
        plans = {name: _plan(each) for name, each in requests.items()}
    except (BenchError, OSError):
        plans = dict.fromkeys(variants)
    known = {name: planned for name, planned in plans.items() if planned is not None}
    complete = len(known) == len(plans)
    base = known.get(base_variant(variants).name)
    lookups: dict[str, Callable[[], Current | None]] = {
        Kind.KERNELS: lambda: _kernels(known, complete),
        cache.WORK_TREES: lambda: _work_trees(known.values(), complete),
        Kind.DEBIAN: lambda: _downloads(known.values(), complete),
        Kind.BENCH: lambda: _tree_program(bench.TARGET, base),
        Kind.SELFTESTS: lambda: _tree_program(selftests.TARGET, base),
        Kind.IMAGES: _images,
        Kind.PLUGINS: _plugins,
        Kind.PROGRAMS: _programs,
    }
    kinds: dict[str, Current] = {}
    for kind, lookup in lookups.items():
        with contextlib.suppress(BenchError, OSError):
            if (keys := lookup()) is not None:
                kinds[kind] = keys
    return kinds


def _plan(request: build.KernelRequest) -> build.Plan | None:
    """Its key; None where finding it takes long (a tree is hashed file by file) or a download."""
    if request.source and Path(request.source).expanduser().is_dir():
        return None
    return build.plan_at_hand(request)


def _kernels(plans: Mapping[str, build.Plan], complete: bool) -> Current:
    return Current(keys={p.key: f"kernel {name}" for name, p in plans.items()}, complete=complete)


def _work_trees(plans: Iterable[build.Plan], complete: bool) -> Current:
    return Current(keys={p.site.name: p.source.path.name for p in plans}, complete=complete)


def _downloads(plans: Iterable[build.Plan], complete: bool) -> Current:
    names = set()
    for planned in plans:
        if planned.tools.pahole_path:
            names.add(pahole.WRAPPER)
        if planned.source.path.parent.parent.name == Kind.DEBIAN:
            names.add(planned.source.path.parent.name)
    return Current(keys={name: f"download of {name}" for name in names}, complete=complete)


def _tree_program(target: bpf_tree.Target, base: build.Plan | None) -> Current | None:
    if base is None:
        return None
    _, version = bpf_tree.find_clang()
    return Current(keys={bpf_tree.key(target, base, version): target.title})


def _images() -> Current:
    host = image.host_release()
    return Current(keys={image.recipe_key(host): f"guest image {host.id} {host.codename}"})


def _plugins() -> Current:
    sha256 = itlb.sources_sha256()
    keys = {itlb.key(itlb.REPLAY_FILE, sha256): f"model: {itlb.REPLAY_FILE}"}
    for api in itlb.APIS:
        version = itlb.plugin_version(sha256, api)
        keys[itlb.key(itlb.PLUGIN_FILE, version)] = f"model: {itlb.PLUGIN_FILE}"
    return Current(keys=keys)


def _programs() -> Current:
    """Those of the workloads that come with the program; a user's own have some as well."""
    sources = [PROGRAM]
    for name in definitions.workload_folders():
        spec, folder = definitions.workload(name)
        sources += [folder / program for program in spec.programs]
    keys = {program_key(path, path.read_bytes()): f"program {path.stem}" for path in sources}
    return Current(keys=keys, complete=False)
