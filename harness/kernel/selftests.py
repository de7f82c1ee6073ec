# SPDX-License-Identifier: GPL-2.0-only
"""Build the base's own BPF self-tests, those that touch JITed text.

One ``test_progs`` for all kernels, like bench: from the base with the types of the
unpatched base kernel, linked statically. Beside it lie the BPF objects that its tests open
by name while they run.
"""

import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.errors import InfrastructureError
from harness.kernel import cache, recipe, series, source
from harness.kernel.artefacts import Selftests
from harness.kernel.bench import HEADERS, find_clang, tool_path
from harness.kernel.build import KernelRequest, Plan, Say, build_kernel, ignore, plan
from harness.proc import CommandError, run

RECIPE = 1
"""Raised when this module changes what comes out of a build."""

SERIES = ("bench", "selftests")
PROGRAM = "test_progs"
_SELFTESTS = "tools/testing/selftests/bpf"

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
    found: set[str] = set()
    opened: set[str] = set()
    for text in texts:
        opened |= set(_BY_NAME.findall(text))
        found |= set(_BY_SKELETON.findall(text))
    present = set(known)
    return (found | opened) & present, opened & present


def make_argv(
    linux: Path,
    out: Path,
    btf: Path,
    clang: str,
    jobs: int,
    programs: Sequence[str],
    *,
    path: str,
) -> list[str]:
    """The command line that builds ``out/test_progs`` and its BPF objects."""
    mapping = f"-ffile-prefix-map={linux}=/linux -ffile-prefix-map={out}=/selftests"
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
        # The tests themselves are written for -O0: gcc warns of them otherwise.
        f"SAN_CFLAGS=-O0 {mapping}",
        "LDLIBS=-static -Wl,--build-id=none -lelf -lz -lrt -lpthread",
        # A module, signing tools and programs that none of the tests above needs.
        "TRUNNER_EXTRA_FILES=",
        f"TESTS={' '.join(tests())}",
        f"BPF_PROGS={' '.join(programs)}",
        str(out / PROGRAM),
    ]


def _key(todo: Plan, patches: Sequence[series.Patch], clang: str) -> str:
    return recipe.digest(
        {
            "selftests": RECIPE,
            "kernel": todo.key,
            "patches": [patch.sha256 for patch in patches],
            "tests": tests(),
            "clang": clang,
            "gcc": todo.tools.gcc,
        }
    )


def build_selftests(request: KernelRequest, say: Say = ignore, detail: Say = ignore) -> Selftests:
    """The self-tests for ``request``, whose variant is the unpatched base.

    Builds the base kernel first when it has to. Raises PrerequisiteError and
    InfrastructureError.
    """
    recipe.require({}, HEADERS)
    clang, version = find_clang()
    todo = plan(request)
    patches = series.load(SERIES, request.configs / "patches")
    key = _key(todo, patches, version)
    store = request.cache / "selftests"
    if (record := cache.load(store / key)) is not None:
        return _result(store / key, record, cached=True)
    kernel = build_kernel(request, say, detail)
    if kernel.btf is None:
        raise InfrastructureError(
            f"kernel {kernel.name} has no BTF", "add CONFIG_DEBUG_INFO_BTF=y to its fragments"
        )
    with cache.lock(todo.lock_file, "self-tests", say):
        if (record := cache.load(store / key)) is not None:
            return _result(store / key, record, cached=True)
        began = time.monotonic()
        cache.sweep(store)
        tree = source.unpack(todo.source, todo.work, say)
        source.set_series(tree, (*todo.patches, *patches))
        out, opened = _compile(request, tree, kernel.btf, clang, say, detail)
        with cache.new_entry(store, key) as entry:
            for name in (PROGRAM, *(f"{program}.bpf.o" for program in sorted(opened))):
                shutil.copy2(out / name, entry / name)
            facts = {"clang": version, "gcc": todo.tools.gcc, "base": tree.version}
            record = cache.publish(entry, key, time.monotonic() - began, facts)
        shutil.rmtree(out, ignore_errors=True)
    return _result(store / key, record, cached=False)


def _result(entry: Path, record: cache.BuildRecord, *, cached: bool) -> Selftests:
    return Selftests(
        files=tuple(entry / name for name in sorted(record.files)),
        sha256=recipe.digest(dict(record.files)),
        cached=cached,
    )


def _compile(
    request: KernelRequest, tree: source.WorkTree, btf: Path, clang: str, say: Say, detail: Say
) -> tuple[Path, set[str]]:
    """The folder with what was built, and the BPF programs that the tests open by name."""
    folder = tree.linux / _SELFTESTS
    texts = [(folder / "prog_tests" / f"{name}.c").read_text() for name in tests()]
    known = [path.stem for path in (folder / "progs").glob("*.c")]
    programs, opened = programs_of(texts, known)
    out = tree.root / "selftests"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    # Made in the source, of whichever tests were built last.
    (folder / "prog_tests/tests.h").unlink(missing_ok=True)
    log = tree.root / "selftests.log"
    log.unlink(missing_ok=True)
    say(f"building {len(texts)} of the base's BPF self-tests with {clang} (log: {log})")
    wanted = sorted(programs | set(ALWAYS))
    path = tool_path(clang)
    argv = make_argv(tree.linux, out, btf, clang, request.jobs, wanted, path=path)
    try:
        run(argv, log=log, on_line=lambda line: detail(f"self-tests: {line.strip()}"))
        # Its symbols stay: the tests of uprobes look for their own functions.
        run(["strip", "--strip-debug", str(out / PROGRAM)])
    except CommandError as error:
        wrong = [line for line in error.output.splitlines() if re.search(r"error:|Error ", line)]
        why = wrong[0].strip() if wrong else str(error).splitlines()[-1]
        raise InfrastructureError(f"the self-tests do not build: {why}", f"see {log}") from error
    return out, opened
