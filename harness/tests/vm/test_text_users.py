# SPDX-License-Identifier: GPL-2.0-only
"""Who makes small text beside BPF, on the dynamic text allocator: kprobes, function tracing and
thunks of indirect branches; and BPF by the way of architectures that cannot write to text."""

import re
from dataclasses import dataclass

import pytest

from harness.model.trial_settings import Mode
from harness.tests.vm.bare import (
    MODULES,
    SPLAT,
    console_of,
    entry_of,
    self_test_verdicts,
    stats_of,
    tagged,
)

pytestmark = [pytest.mark.vm, pytest.mark.long]

USERS_SCRIPT = """\
mount -t tracefs tracefs /sys/kernel/tracing; cd /sys/kernel/tracing
text() {
    grep -E ' (kprobe_insn_page|kprobe_optinsn_page|ftrace_trampoline)' /proc/kallsyms |
        sed "s/^/TEXT $1 /"
}
# Behind the call of function tracing, which would be probed by that: text of kprobes' own.
probe() {
    number=0
    for name in $(grep -E ' [Tt] (vfs|ksys|do_sys|do_filp)_' /proc/kallsyms | cut -d' ' -f3); do
        for offset in 5 6 7 8 9 10 11; do
            echo "p:users/p$number $name+$offset" >>kprobe_events || continue
            number=$((number + 1)); break
        done 2>/dev/null
    done
    echo 1 >events/users/enable
}
trace() {
    for i in 1 2 3; do
        mkdir instances/$i && echo do_sys_openat2 >instances/$i/set_ftrace_filter
        echo function >instances/$i/current_tracer
    done
}
stop() {
    echo 0 >events/users/enable; echo >kprobe_events; rmdir instances/*; sleep 2
}
used() { sed -n 's/^bytes_used //p' /sys/kernel/debug/execmem/stats; }
# Kprobes give pages back later, as soon as the host lets them: until nothing changes for 8 s.
settle() {
    same=0; was=
    for try in $(seq 240); do
        now=$(used)
        if [ "$now" = "$was" ]; then same=$((same + 1)); else same=0; fi
        [ $same -lt 16 ] || return
        was=$now; sleep 0.5
    done
}
sed 's/^/ITS /' /sys/devices/system/cpu/vulnerabilities/indirect_target_selection
[ ! -d /sys/module ] || insmod /test_execmem.ko threads=2 loops=100
probe; trace; stop; settle # what is kept for the next comes once
stats fresh
probe; trace
for i in 1 2 3 4 5; do sleep 1; cat /proc/version /sys/kernel/debug/kprobes/list >/dev/null; done
echo "PROBES $number of which $(grep -c OPTIMIZED /sys/kernel/debug/kprobes/list) optimized"
echo "HITS $(awk '{ hits += $2 } END { print hits }' kprobe_profile)"
for i in 1 2 3; do echo "TRACED $(grep -c do_sys_openat2 instances/$i/trace)"; done
text live; page_table live; stats live
stop; settle
text left; page_table left; stats left
insmod /fuse.ko && stats loaded && rmmod fuse && rmmod test_execmem && stats unloaded
"""
RUN_BPF = """\
bench -w1 -d900 rename-fentry >/bench.1 2>&1 & one=$!
renice -n 19 $one
for try in $(seq 300); do ls -l /proc/$one/fd | grep -q bpf_link && break; sleep 0.1; done
xdp_run
bpf_symbols | sed 's/^/TEXT bpf /'
stats bpf; page_table bpf
kill $one; wait
sleep 1
stats after
"""
ITS = "indirect_target_selection=force"


@dataclass(frozen=True)
class Case:
    """One boot of a kernel with the whole series."""

    kernel: str = "execmem-all-text"
    append: tuple[str, ...] = ()
    script: str = USERS_SCRIPT + RUN_BPF
    memory_mib: int = 1024

    @property
    def private(self) -> bool:
        return any("private" in word for word in self.append)


CASES = {
    "shared": Case(),
    "no-tail": Case(append=("execmem=notail",)),
    "private": Case(append=("execmem=private",)),
    "traced-from-boot": Case(append=("ftrace=function", "ftrace_filter=vfs_read")),
    "no-modules": Case(kernel="execmem-no-modules"),
    # The one where an emulated CPU can have them: see its series.
    "checked": Case(kernel="execmem-debug", append=(ITS,), memory_mib=3072),
    "checked-private": Case(
        kernel="execmem-debug", append=("execmem=private,notail",), memory_mib=3072
    ),
}


@pytest.fixture(scope="module", params=[pytest.param(c, id=name) for name, c in CASES.items()])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@pytest.fixture(scope="module")
def console(case: Case, tmp_path_factory: pytest.TempPathFactory) -> str:
    return console_of(
        case.kernel, case.script, tmp_path_factory.mktemp("boot"), append=case.append,
        memory_mib=case.memory_mib, timeout_s=1200, mode=Mode.FAST, smp=2,
        modules=(*MODULES, "fuse.ko"),
    )  # fmt: skip


def text_of(console: str, when: str) -> dict[str, list[int]]:
    """Symbol -> the addresses of its text."""
    found: dict[str, list[int]] = {}
    for line in tagged(console, f"TEXT {when} "):
        address, _, symbol, *_ = line.split()
        found.setdefault(symbol, []).append(int(address, 16))
    return found


def test_nothing_is_wrong_with_the_kernel(console: str) -> None:
    assert [line for line in console.splitlines() if re.search(SPLAT, line)] == []
    assert "no W+X pages found" in console


def test_the_allocators_own_test_passes(case: Case, console: str) -> None:
    verdicts = self_test_verdicts(console)
    assert set(verdicts.values()) <= {"ok"}
    names = {"types", "private", "binary", "threads"}
    assert names <= verdicts.keys() or case.kernel == "execmem-no-modules"


def test_probes_and_traces_hit(console: str) -> None:
    (probes,) = tagged(console, "PROBES ")
    words = probes.split()
    assert int(words[0]) > 50
    assert int(words[3]) > 16, "no more optimised probes than one page holds"
    assert int(tagged(console, "HITS ")[0]) > 100
    assert all(int(count) > 10 for count in tagged(console, "TRACED "))
    assert len(tagged(console, "TRACED ")) == 3


def test_small_text_is_on_large_pages(console: str) -> None:
    live, table = text_of(console, "live"), tagged(console, "PT live ")
    assert len(live["ftrace_trampoline"]) >= 3
    assert len(live["kprobe_optinsn_page"]) > 1
    for symbol, addresses in live.items():
        for address in addresses:
            line = entry_of(table, address)
            assert " ro " in line, f"{symbol}: {line}"
            assert line.endswith("pmd") or symbol == "ftrace_trampoline", f"{symbol}: {line}"
    for when in ("live", "left", "bpf"):
        assert [x for x in tagged(console, f"PT {when} ") if " RW " in x] == []


def test_function_tracing_goes_the_way_that_it_is_told(case: Case, console: str) -> None:
    live, table = text_of(console, "live"), tagged(console, "PT live ")
    levels = {entry_of(table, x).split()[-1] for x in live["ftrace_trampoline"]}
    assert levels == ({"pte"} if case.private else {"pmd"})
    used, fresh = stats_of(console, "live"), stats_of(console, "fresh")
    assert (used["bytes_private"] > fresh["bytes_private"]) == case.private


def test_programs_go_the_way_that_they_are_told(case: Case, console: str) -> None:
    assert "XDP returned 2" in console
    table = tagged(console, "PT bpf ")
    for symbol, (address, *_) in text_of(console, "bpf").items():
        written_anew = symbol.startswith("bpf_dispatcher_")
        line = entry_of(table, address)
        assert line.split()[-1] == ("pte" if case.private and not written_anew else "pmd"), line
        assert " ro " in line
    assert (stats_of(console, "bpf")["bytes_private"] > 0) == case.private
    assert stats_of(console, "after")["bytes_private"] == 0


def test_everything_is_given_back(case: Case, console: str) -> None:
    fresh, left = stats_of(console, "fresh"), stats_of(console, "left")
    assert left["bytes_used"] == fresh["bytes_used"]
    assert left["bytes_private"] == fresh["bytes_private"]
    assert left["bytes_dead"] == 0
    assert len(text_of(console, "left").get("kprobe_optinsn_page", [])) <= 1
    # A dispatcher keeps its page for good, on every build.
    after = stats_of(console, "after")
    assert after["bytes_used"] - stats_of(console, "bpf")["bytes_used"] <= 0


def test_thunks_are_there_where_they_are_needed(case: Case, console: str) -> None:
    (told,) = tagged(console, "ITS ")
    if ITS not in case.append:
        assert "thunks" not in told
        return
    assert "Aligned branch/return thunks" in told
    # Each half of a cache line that a thunk must not be in has sites: pages of them for the
    # kernel, and one for a module while it is there: fuse.ko comes, then it and the test go.
    used = {when: stats_of(console, when)["bytes_used"] for when in ("left", "loaded", "unloaded")}
    assert used["unloaded"] >= 5 * 4096
    assert used["loaded"] - used["left"] == 4096
    assert used["left"] - used["unloaded"] == 4096
