# SPDX-License-Identifier: GPL-2.0-only
"""Same inputs, same bytes: builds made by switching variants in one work tree."""

import os
from pathlib import Path

import pytest

from harness.cache import content_sha256
from harness.config import definitions
from harness.kernel import Kernel, KernelRequest, build_kernel
from harness.paths import CONFIGS, cache_dir

pytestmark = pytest.mark.vm

NAMES = ("bpf_prog_pack", "upstream")


def build(name: str, cache: Path) -> Kernel:
    request = KernelRequest(
        variant=definitions.variants()[name],
        configs=CONFIGS,
        cache=cache,
        jobs=os.cpu_count() or 1,
        source=os.environ.get("KERNEL_SRC"),
    )
    return build_kernel(request, print)


def parts(kernel: Kernel) -> dict[str, str]:
    found = {
        "image": kernel.image,
        "map": kernel.system_map,
        "config": kernel.config,
        "headers": kernel.kheaders,
        "modules": kernel.modules,
        "types": kernel.btf,
    }
    return {name: content_sha256(path) for name, path in found.items() if path is not None}


@pytest.fixture(scope="module")
def first() -> dict[str, Kernel]:
    return {name: build(name, cache_dir()) for name in NAMES}


@pytest.fixture(scope="module")
def again(first: dict[str, Kernel], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kernel]:
    """Built anew, with an empty store, in the work tree of the first builds."""
    store = tmp_path_factory.mktemp("cache")
    for shared in ("kernel-build", "ccache"):
        (cache_dir() / shared).mkdir(exist_ok=True)
        (store / shared).symlink_to(cache_dir() / shared)
    return {name: build(name, store) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_second_build_gives_the_same_bytes(
    first: dict[str, Kernel], again: dict[str, Kernel], name: str
) -> None:
    assert not again[name].cached
    assert parts(again[name]) == parts(first[name])
    assert len(parts(first[name])) == 6


def test_the_variants_differ_in_text_alone(first: dict[str, Kernel]) -> None:
    one, other = (parts(first[name]) for name in NAMES)
    assert one["image"] != other["image"]
    assert one["config"] == other["config"]


def test_a_change_of_variant_costs_no_second_full_build(again: dict[str, Kernel]) -> None:
    logs = cache_dir().glob("kernel-build/*/upstream.log")
    log = max(logs, key=lambda path: path.stat().st_mtime)
    compiled = [line for line in log.read_text().splitlines() if line.startswith("  CC ")]
    assert 0 < len(compiled) < 50


def test_a_cached_kernel_is_not_built(first: dict[str, Kernel]) -> None:
    assert all(build(name, cache_dir()).cached for name in first)
