# SPDX-License-Identifier: GPL-2.0-only
"""Build the base's own BPF self-tests, those that touch JITed text.

One ``test_progs`` for all kernels, like bench. Beside it lie the BPF objects that its tests
open by name while they run.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from harness.cache import Kind, Say, ignore
from harness.kernel import bpf_tree, recipe
from harness.kernel.artefacts import Selftests
from harness.kernel.build import KernelRequest

PROGRAM = "test_progs"

TESTS: Mapping[str, tuple[str, ...]] = {
    "trampolines": (
        "attach_probe", "bpf_cookie", "fentry_fexit", "fentry_test", "fexit_bpf2bpf",
        "fexit_sleep", "fexit_stress", "fexit_test", "get_func_args_test", "get_func_ip_test",
        "kfree_skb", "kprobe_multi_test", "legacy_printk", "lsm_cgroup", "modify_return",
        "perf_link", "recursion", "test_lsm", "test_overhead", "trace_ext",
        "trace_printk", "trace_vprintk", "trampoline_count",
    ),
    "dispatchers and XDP": (
        "xdp", "xdp_adjust_frags", "xdp_adjust_tail", "xdp_attach", "xdp_bpf2bpf",
        "xdp_context_test_run", "xdp_cpumap_attach", "xdp_devmap_attach", "xdp_info", "xdp_link",
        "xdp_noinline", "xdp_perf",
    ),
    "calls from text to text": (
        "atomics", "bpf_loop", "cb_refs", "exhandler", "for_each",
        "global_func_args", "kfunc_call", "l4lb_all", "pkt_access", "spinlock", "subprogs",
        "syscall", "tailcalls", "test_global_funcs", "test_strncmp", "timer",
    ),
    "symbols, stacks and lists of programs": (
        "bpf_iter", "bpf_obj_id", "enable_stats", "get_stack_raw_tp", "ksyms", "ksyms_btf",
        "link_pinning", "resolve_btfids", "stacktrace_map", "task_pt_regs", "verif_stats",
    ),
    "struct_ops": ("bpf_tcp_ca", "dummy_st_ops"),
    "control groups and test runs": (
        "autoattach", "cgroup_attach_multi", "cgroup_attach_override", "cgroup_link", "netcnt",
        "prog_run_opts", "raw_tp_test_run", "sockopt", "sockopt_multi",
    ),
}  # fmt: skip
"""Files of ``prog_tests`` that are built, by what they touch.

Left out for want of bpf_testmod.ko: module_attach, tracing_struct, bpf_mod_race.
"""

ALWAYS = ("btf_data",)
"""BPF programs that the build itself needs."""

_BY_SKELETON = re.compile(r'"(\w+)\.l?skel\.h"')
_BY_NAME = re.compile(r'"(?:\./)?(\w+)\.bpf\.o"')


def tests() -> tuple[str, ...]:
    """All of ``TESTS``, sorted."""
    return tuple(sorted(name for names in TESTS.values() for name in names))


def programs_of(texts: Iterable[str], known: Iterable[str]) -> tuple[set[str], set[str]]:
    """The BPF programs among ``known`` that test sources use: all, and those opened by name."""
    skeletons: set[str] = set()
    opened: set[str] = set()
    for text in texts:
        opened |= set(_BY_NAME.findall(text))
        skeletons |= set(_BY_SKELETON.findall(text))
    present = set(known)
    return (skeletons | opened) & present, opened & present


def make_argv(site: bpf_tree.Site, programs: Sequence[str]) -> list[str]:
    """The command line that builds ``test_progs`` and its BPF objects, ``programs``."""
    return bpf_tree.make_argv(
        site,
        PROGRAM,
        # The tests themselves are written for -O0: gcc warns of them otherwise.
        cflags="-O0",
        libraries="-lelf -lz -lrt -lpthread",
        words=[
            # A module, signing tools and programs that none of the tests above needs.
            "TRUNNER_EXTRA_FILES=",
            f"TESTS={' '.join(tests())}",
            f"BPF_PROGS={' '.join(programs)}",
        ],
    )


def _make(site: bpf_tree.Site, run: Callable[[Sequence[str]], None]) -> list[Path]:
    folder = site.linux / bpf_tree.FOLDER
    texts = [(folder / "prog_tests" / f"{name}.c").read_text() for name in tests()]
    known = [path.stem for path in (folder / "progs").glob("*.c")]
    programs, opened = programs_of(texts, known)
    # Made in the source, of whichever tests were built last.
    (folder / "prog_tests/tests.h").unlink(missing_ok=True)
    run(make_argv(site, sorted(programs | set(ALWAYS))))
    # Its symbols stay: the tests of uprobes look for their own functions.
    run(["strip", "--strip-debug", str(site.out / PROGRAM)])
    return [site.out / name for name in (PROGRAM, *(f"{p}.bpf.o" for p in sorted(opened)))]


TARGET = bpf_tree.Target(
    kind=Kind.SELFTESTS,
    title=f"{len(tests())} of the base's BPF self-tests",
    recipe=1,
    series=("bench", "selftests"),
    make=_make,
    inputs={"tests": tests()},
)
"""``recipe`` is raised when this module changes what comes out of a build."""


def build_selftests(request: KernelRequest, say: Say = ignore, detail: Say = ignore) -> Selftests:
    """The self-tests for ``request``; raises as ``bpf_tree.build``."""
    entry = bpf_tree.build(TARGET, request, say, detail)
    return Selftests(
        files=tuple(entry.path / name for name in sorted(entry.record.files)),
        sha256=recipe.digest(dict(entry.record.files)),
        cached=entry.cached,
    )
