# SPDX-License-Identifier: GPL-2.0-only
"""The execmem kernel where things are not as usual: other boots, no modules, no large pages."""

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.model.trial_settings import Mode
from harness.targets.qemu import argv
from harness.targets.qemu.argv import CPU_TCG
from harness.tests.vm.bare import (
    SPLAT,
    console_of,
    entry_of,
    self_test_verdicts,
    stats_of,
    tagged,
)

pytestmark = pytest.mark.vm

RUN_BPF = """\
bench -w1 -d900 rename-fentry >/bench.1 2>&1 & one=$!
renice -n 19 $one
for try in $(seq 300); do ls -l /proc/$one/fd | grep -q bpf_link && break; sleep 0.1; done
xdp_run
bpf_symbols | sed 's/^/LIVE /'
page_table live
user_page_table
grep -w _etext /proc/kallsyms | sed 's/^/ETEXT /'
peek $(bpf_symbols | grep -m1 bpf_dispatcher_ | cut -c-16)
kill $one; wait
sleep 1
page_table left
"""
LARGE_PAGES_RUN_OUT = """\
stats before
cd /sys/kernel/debug/fail_page_alloc
echo N >ignore-gfp-wait; echo N >ignore-gfp-highmem; echo 0 >verbose
echo 9 >min-order; echo -1 >times; echo 100 >probability
cd /
insmod /test_execmem.ko small_pages=1 hold=600 threads=2 loops=150
stats held
"""
SPARE_SCRIPT = """\
stats fresh
insmod /test_execmem.ko threads=2 loops=50 && rmmod test_execmem
stats left
"""
"""Text that comes and goes, where none of it is on the kernel's own page."""
CHURN = int(os.environ.get("EXECMEM_BENCH_CHURN", "3000"))
"""Loads and unloads on the checked build; 100000 is an hour's work, not CI's."""
LARGEST = 16000 if CHURN < 10000 else 300
"""Bytes of a program: with the verifier under KASAN, large ones would take hours."""
CHURN_SCRIPT = f"""\
mount -t tracefs tracefs /sys/kernel/tracing; cd /sys/kernel/tracing
turn() {{ # probes and trampolines of function tracing come and go
    for offset in 5 6 7 8 9 10 11; do
        echo "p:churn/p$offset vfs_read+$offset" >>kprobe_events && break
    done 2>/dev/null
    echo 1 >events/churn/enable; mkdir instances/churn
    echo do_sys_openat2 >instances/churn/set_ftrace_filter
    echo function >instances/churn/current_tracer
    cat /proc/version >/dev/null
    echo 0 >events/churn/enable; echo >kprobe_events; rmdir instances/churn
}}
# Programs are freed by the same workers that grace periods need: those wait for a long queue.
echo 1200 >/proc/sys/kernel/hung_task_timeout_secs
turn; churn 4 500 16 1; sleep 2
stats before; memory before; page_table before
(turns=0; while [ ! -e /stop ]; do turn; turns=$((turns + 1)); done; echo "TURNS $turns") &
turning=$!
churn 4 {CHURN} 16 2 {LARGEST}; echo >/stop; wait $turning; sleep 5
stats after; memory after; page_table after
echo scan >/sys/kernel/debug/kmemleak; sleep 6; echo scan >/sys/kernel/debug/kmemleak
sed 's/^/LEAK /' /sys/kernel/debug/kmemleak
"""
PROBES_TRAMPOLINE = 384
"""Bytes that all probes of function entries share, from the first one on (kprobe_ftrace_ops)."""
INT3 = 0xCC
KERNEL_START = 0xFFFFFFFF81000000
"""Where kernel text is without KASLR."""
MODULES = range(0xFFFFFFFFA0000000, 0xFFFFFFFFFF000000)
REACH = range(0xFFFFFFFF80000000, 0xFFFFFFFFFF000000)
"""From where the kernel image is mapped to the end of the module range: 2 GB."""


def self_test(**options: str) -> str:
    """The line that runs the kernel's own test of the allocator."""
    words = [f"{key}={value}" for key, value in {"threads": "2", "loops": "200", **options}.items()]
    return f"insmod /test_execmem.ko {' '.join(words)} && rmmod test_execmem\n"


@dataclass(frozen=True)
class Case:
    """One boot. ``large``: programs are on large pages. ``tail_is_full``: the module keeps pages,
    which have filled the kernel's own large page."""

    kernel: str
    script: str
    append: tuple[str, ...] = ()
    kaslr: bool = False
    memory_mib: int = 1024
    numa_nodes: int = 1
    cpu: str = CPU_TCG
    large: bool = True
    tail_is_full: bool = False
    verdicts: int = 7


CASES = {
    "kaslr": Case("execmem", RUN_BPF + self_test(), kaslr=True),
    "nosmp": Case("execmem", RUN_BPF + self_test(), append=("nosmp",)),
    "nohugevmalloc": Case(
        "execmem", RUN_BPF + self_test(small_pages="1"), append=("nohugevmalloc",)
    ),
    "no-tail": Case("execmem", SPARE_SCRIPT + RUN_BPF, append=("execmem=notail",), kaslr=True),
    "two-nodes": Case("execmem", RUN_BPF + self_test(), append=("execmem=notail",), numa_nodes=2),
    # Intel's, so that pti=auto isolates, and without PCID, so that kernel text is global.
    "pti-auto": Case(
        "execmem",
        RUN_BPF + self_test(),
        append=("pti=auto", "nopcid"),
        cpu=f"{CPU_TCG},vendor=GenuineIntel",
    ),
    "kasan-of-modules": Case(
        "execmem-kasan-modules",
        RUN_BPF + self_test(),
        append=("execmem=notail",),
        memory_mib=3072,
        verdicts=10,
    ),
    "no-modules": Case("execmem-no-modules", RUN_BPF, verdicts=0),
    "debug_pagealloc": Case(
        "execmem-debug",
        RUN_BPF + self_test(),
        append=("debug_pagealloc=on",),
        memory_mib=3072,
        verdicts=10,
    ),
    "large-pages-run-out": Case(
        "execmem-debug",
        LARGE_PAGES_RUN_OUT + RUN_BPF + "rmmod test_execmem\nstats after\n",
        memory_mib=3072,
        large=False,
        tail_is_full=True,
        verdicts=11,
    ),
}


def marks(case: Case) -> tuple[pytest.MarkDecorator, ...]:
    """Cases on kernels that nothing else needs are for the long set."""
    return () if case.kernel == "execmem" else (pytest.mark.long,)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=marks(case), id=name) for name, case in CASES.items()],
)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture(scope="module")
def console(case: Case, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("boot")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(argv, "CPU_TCG", case.cpu)
        return console_of(
            case.kernel, case.script, folder, append=case.append, kaslr=case.kaslr,
            memory_mib=case.memory_mib, numa_nodes=case.numa_nodes, timeout_s=900,
        )  # fmt: skip


@pytest.fixture
def live(console: str) -> dict[str, int]:
    lines = [line.split() for line in tagged(console, "LIVE ")]
    return {symbol: int(address, 16) for address, _, symbol, *_ in lines}


def test_nothing_is_wrong_with_the_kernel(console: str) -> None:
    assert [line for line in console.splitlines() if re.search(SPLAT, line)] == []
    assert "no W+X pages found" in console


def test_the_allocators_own_test_passes(case: Case, console: str) -> None:
    verdicts = self_test_verdicts(console)
    assert set(verdicts.values()) <= {"ok"}
    assert len(verdicts) == case.verdicts


def test_programs_run_where_the_kernel_reaches_them(
    case: Case, console: str, live: dict[str, int]
) -> None:
    assert "XDP returned 2" in console
    for kind in ("bpf_prog_", "bpf_trampoline_", "bpf_dispatcher_"):
        assert any(name.startswith(kind) for name in live), f"no {kind} was in use"
    assert [name for name, address in live.items() if address not in REACH] == []


def test_text_is_read_only_on_pages_as_large_as_there_are(
    case: Case, console: str, live: dict[str, int]
) -> None:
    table = tagged(console, "PT live ")
    for name, address in live.items():
        line = entry_of(table, address)
        assert " ro " in line, f"{name}: {line}"
        if case.large:
            assert line.endswith("pmd"), f"{name}: {line}"
        elif not name.startswith("bpf_prog_"):
            # A small program may find room beside one that was loaded before.
            assert line.endswith("pte"), f"{name}: {line}"
    for when in ("live", "left"):
        assert [x for x in tagged(console, f"PT {when} ") if " RW " in x] == []


def test_small_pages_are_counted_and_given_back(case: Case, console: str) -> None:
    if case.large:
        assert tagged(console, "STATS held ") == []
        return
    before, held, after = (
        dict(line.split() for line in tagged(console, f"STATS {when} "))
        for when in ("before", "held", "after")
    )
    assert before["small_page_fallbacks"] == "0"
    assert int(held["small_page_fallbacks"]) > 0
    assert int(held["small_pages"]) > 0
    assert int(held["bytes_used"]) == int(before["bytes_used"]) + 600 * 4096
    # A dispatcher keeps its page for good, on every build, and the probes of function entries
    # their trampoline.
    grown = int(after["bytes_used"]) - int(before["bytes_used"])
    assert grown - PROBES_TRAMPOLINE in (0, 4096)
    assert after["large_pages"] == "0"


def kernel_end(console: str) -> int:
    """The first page after the kernel's own text."""
    (line,) = tagged(console, "ETEXT ")
    return (int(line.split()[0], 16) + 4095) & ~4095


def test_the_kernels_own_page_is_shared_unless_told_not_to(
    case: Case, console: str, live: dict[str, int]
) -> None:
    tail = range(kernel_end(console), (kernel_end(console) + (2 << 20) - 1) & ~((2 << 20) - 1))
    on_it = [name for name, address in live.items() if address in tail]
    elsewhere = case.tail_is_full or "execmem=notail" in case.append
    assert on_it == ([] if elsewhere else list(live))
    if case.kaslr and on_it:
        assert min(live.values()) - tail.start > 4096, "text is at a known distance"


def test_user_space_does_not_see_text(case: Case, console: str, live: dict[str, int]) -> None:
    table = tagged(console, "USER PT ")
    assert table, "isolation is off"
    shown = [x for x in table if int(x.split("-")[0], 16) == KERNEL_START]
    assert len(shown) == (1 if "pti=auto" in case.append else 0)
    assert [name for name, address in live.items() if entry_of(table, address)] == []


def test_what_is_not_written_of_a_dispatcher_traps(case: Case, console: str) -> None:
    words = [
        int(word, 16).to_bytes(8, "little")
        for line in tagged(console, "PEEK ")
        for word in re.findall(r"0x[0-9a-f]+", line.partition(")")[2])
    ]
    text = b"".join(words)
    assert len(text) == 1024
    # For one program: less than 100 bytes, with the padding of its branch targets.
    assert text[:4] != bytes([INT3] * 4)
    assert set(text[128:]) == {INT3}


def test_one_large_page_is_kept_for_who_comes_next(case: Case, console: str) -> None:
    if not case.script.startswith(SPARE_SCRIPT):
        assert tagged(console, "STATS left ") == []
        return
    fresh, left = (
        dict(line.split() for line in tagged(console, f"STATS {when} "))
        for when in ("fresh", "left")
    )
    assert (fresh["large_pages"], left["large_pages"]) == ("0", "1")
    assert left["bytes_used"] == fresh["bytes_used"] == "0"
    assert left["text_tail_bytes"] == "0"


FAULTS_SCRIPT = """\
hold() { insmod /test_execmem.ko checks=0 small_pages=1 hold=1100 "$@"; } # three large pages
cd /sys/kernel/debug/fail_page_alloc
echo N >ignore-gfp-wait; echo N >ignore-gfp-highmem; echo 0 >verbose; echo -1 >times

# An area that cannot be given back: no place for text, until it can. What fails is a function
# with a probe on its entry, whose trampoline is on the first area.
cd ../fail_function
echo -1 >times; echo 0 >verbose; echo execmem_unprotect >inject
echo 0xfffffffffffffff4 >execmem_unprotect/retval
hold; echo 100 >probability; rmmod test_execmem; stats dead
hold; stats beside; page_table beside
echo 0 >probability; rmmod test_execmem; stats revived

# Large pages where small ones were, while somebody reads the page tables.
cd ../fail_page_alloc
echo 9 >min-order; echo 100 >probability; hold; stats small; rmmod test_execmem
echo 0 >probability
(while :; do cat /sys/kernel/debug/page_tables/kernel >/dev/null; done) & reader=$!
sleep 1; hold; kill $reader; stats read; page_table read; rmmod test_execmem
"""
SCARCE_SCRIPT = """\
cd /sys/kernel/debug/fail_page_alloc
echo N >ignore-gfp-wait; echo N >ignore-gfp-highmem; echo 0 >verbose; echo -1 >times
echo 0 >min-order; echo Y >task-filter; echo 70 >probability
insmod /test_execmem.ko threads=1 loops=1 small_pages=1 hold=600 scarce=1
echo 0 >probability; page_table scarce; rmmod test_execmem
"""
"""Memory for a page now and then, never for a chunk."""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> str:
    return console_of(
        "execmem-debug", FAULTS_SCRIPT, tmp_path_factory.mktemp("faults"), memory_mib=3072,
        append=("execmem=notail",), timeout_s=1200,
    )  # fmt: skip


def text_entries(console: str, when: str) -> list[tuple[int, int, str]]:
    """First address, pages and level of the executable ranges that are not the kernel's own."""
    found = []
    for line in tagged(console, f"PT {when} "):
        start, end = (int(x, 16) for x in line.split()[0].split("-"))
        if start in MODULES:
            found.append((start, (end - start) >> 12, line.split()[-1]))
    return found


@pytest.mark.long
def test_faults_leave_nothing_wrong(faulty: str) -> None:
    assert [line for line in faulty.splitlines() if re.search(SPLAT, line)] == []
    assert "FAILED" not in faulty


@pytest.mark.long
def test_no_text_is_put_where_permissions_are_unknown(faulty: str) -> None:
    dead, beside = stats_of(faulty, "dead"), stats_of(faulty, "beside")
    assert (dead["bytes_dead"], dead["bytes_used"]) == (2 << 20, PROBES_TRAMPOLINE)
    held = PROBES_TRAMPOLINE + 1100 * 4096
    assert (beside["large_pages"], beside["bytes_used"]) == (3, held)
    assert (beside["bytes_free"], beside["bytes_dead"]) == ((6 << 20) - held, 2 << 20)
    mapped = sum(p for _, p, level in text_entries(faulty, "beside") if level == "pmd")
    assert mapped * 4096 == 8 << 20
    assert stats_of(faulty, "revived")["bytes_dead"] == 0


@pytest.mark.long
def test_pages_are_called_large_that_are_mapped_so(faulty: str) -> None:
    # The one with the trampoline, and the one that was kept.
    assert stats_of(faulty, "small")["large_pages"] == 2
    entries = text_entries(faulty, "read")
    small = sum(pages for _, pages, level in entries if level == "pte")
    assert small > 0, "nobody was reading the page tables when a chunk was mapped"
    assert stats_of(faulty, "read")["large_pages"] * 512 == sum(
        pages for _, pages, level in entries if level == "pmd"
    )


@pytest.mark.long
def test_small_areas_do_not_take_the_room_of_large_ones(tmp_path: Path) -> None:
    console = console_of(
        "execmem-debug", SCARCE_SCRIPT, tmp_path, memory_mib=3072,
        append=("execmem=notail", "nohugevmalloc"), timeout_s=1200,
    )  # fmt: skip
    assert [line for line in console.splitlines() if re.search(SPLAT, line)] == []
    entries = text_entries(console, "scarce")
    slots = Counter(start >> 21 for start, _, level in entries if level == "pte")
    assert sum(slots.values()) > 20
    assert max(slots.values()) > 1


@pytest.fixture(scope="module")
def churned(tmp_path_factory: pytest.TempPathFactory) -> str:
    return console_of(
        "execmem-debug", CHURN_SCRIPT, tmp_path_factory.mktemp("churn"), memory_mib=3072,
        timeout_s=600 + CHURN / 10, mode=Mode.FAST, smp=2,
    )  # fmt: skip


@pytest.mark.long
def test_churn_leaves_nothing_wrong(churned: str) -> None:
    assert f'{{"loads": {CHURN}, "failed": 0,' in churned
    assert int(tagged(churned, "TURNS ")[0]) > 2
    assert [line for line in churned.splitlines() if re.search(SPLAT, line)] == []
    assert tagged(churned, "LEAK ") == []


@pytest.mark.long
def test_churn_gives_everything_back(churned: str) -> None:
    assert tagged(churned, "STATS before ")
    assert tagged(churned, "STATS before ") == tagged(churned, "STATS after ")
    for when in ("before", "after"):
        table = tagged(churned, f"PT {when} ")
        assert table
        assert [x for x in table if " RW " in x] == []
    kib = {
        when: {key.rstrip(":"): int(value) for key, value, _ in map(str.split, lines)}
        for when in ("before", "after")
        if (lines := tagged(churned, f"MEM {when} "))
    }
    # The direct map does not heal in 6.1, so a split would stay: 2 MB entries are the same.
    assert kib["after"]["DirectMap2M"] == kib["before"]["DirectMap2M"]
    # KASAN keeps freed objects, up to 1/32 of memory.
    assert kib["after"]["Slab"] - kib["before"]["Slab"] < 3072 * 1024 // 32
