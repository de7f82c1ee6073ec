# SPDX-License-Identifier: GPL-2.0-only
"""The variants boot, with isolation and without, run BPF, and place it as they say.

A bare guest (busybox, bench, test_bpf.ko) without the agent: what is checked here is the
kernel alone. One boot serves all checks of a kernel and a setting.
"""

import re

import pytest

from harness.tests.vm import bare
from harness.tests.vm.bare import Booted, entry_of

pytestmark = pytest.mark.vm

SCRIPT = """\
bench -w1 -d900 trig-kprobe >/bench.1 2>&1 & one=$!
bench -w1 -d900 trig-fentry >/bench.2 2>&1 & two=$!
renice -n 19 $one $two
attached() { ls -l /proc/$one/fd /proc/$two/fd | grep -cE 'perf_event|bpf_link'; }
for try in $(seq 100); do [ "$(attached)" -ge 2 ] && break; sleep 0.1; done
xdp_run
bpf_symbols | sed 's/^/LIVE /'
grep ' _etext$' /proc/kallsyms | sed 's/^/TEXT 0x/'
page_table live
kill $one $two; wait
sleep 1
bpf_symbols | sed 's/^/LEFT /'
page_table left
insmod /test_bpf.ko test_range=0,199; rmmod test_bpf
if [ -f /test_execmem.ko ]; then
  stats before; insmod /test_execmem.ko threads=3 loops=400 && rmmod test_execmem; stats after
fi
zcat /proc/config.gz | grep -E '^CONFIG_(BPF_JIT|PAGE_TABLE_ISOLATION)=' | sed 's/^/CONF /'
"""
PAGE = 4096
KERNELS = ("upstream", "bpf_prog_pack", "execmem")
CASES = [(name, pti) for name in KERNELS for pti in ("on", "off")]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0]}-pti-{case[1]}")
def booted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Booted:
    name, pti = request.param
    return bare.booted(name, SCRIPT, tmp_path_factory.mktemp(f"{name}-{pti}"), pti=pti)


@pytest.fixture
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    found: tuple[str, str] = request.node.callspec.params["booted"]
    return found


def test_no_splat(booted: Booted) -> None:
    bad = r"WARNING: CPU|BUG:|Oops|Call Trace|INFO: task|lockdep|bpf_prog_pack bug"
    assert [x for x in booted.console.splitlines() if re.search(bad, x)] == []


def test_isolation_is_as_asked(booted: Booted, case: tuple[str, str]) -> None:
    enabled = "Kernel/User page tables isolation: enabled" in booted.console
    assert enabled == (case[1] == "on")
    assert "CONFIG_PAGE_TABLE_ISOLATION=y" in booted.lines("CONF ")


@pytest.mark.parametrize("when", ["live", "left"])
def test_nothing_is_writable_and_executable(booted: Booted, when: str) -> None:
    executable = booted.lines(f"PT {when} ")
    assert executable, "no page-table dump"
    assert [x for x in executable if " RW " in x] == []
    assert "no W+X pages found" in booted.console


def test_all_programs_go_when_their_users_end(booted: Booted) -> None:
    assert booted.live
    # A dispatcher keeps its page for good, on every build.
    assert [x for x in booted.lines("LEFT ") if "bpf_dispatcher_xdp" not in x] == []


def test_programs_share_pages_only_in_packs(booted: Booted, case: tuple[str, str]) -> None:
    programs = [a for name, a in booted.live.items() if name.startswith("bpf_prog_")]
    pages = {address // PAGE for address in programs}
    assert len(programs) >= 6
    if case[0] == "upstream":
        assert len(pages) == len(programs)
    else:
        assert len(pages) < len(programs)


def test_execmem_is_on_large_pages_from_the_kernels_own(
    booted: Booted, case: tuple[str, str]
) -> None:
    table = booted.lines("PT live ")
    if case[0] != "execmem":
        assert not any(entry_of(table, a).endswith("pmd") for a in booted.live.values())
        return
    for name, address in booted.live.items():
        line = entry_of(table, address)
        assert " ro " in line and line.endswith("pmd"), f"{name}: {line}"
    (text,) = {int(x.split()[0], 16) for x in booted.lines("TEXT ")}
    assert {address // 2**21 for address in booted.live.values()} == {text // 2**21}
    assert entry_of(booted.lines("PT left "), text).endswith("pmd")


def test_execmem_keeps_its_promises(booted: Booted, case: tuple[str, str]) -> None:
    if case[0] != "execmem":
        assert "test_execmem" not in booted.console
        return
    verdicts = re.findall(r"test_execmem: (\w+): (ok|FAILED)", booted.console)
    assert [name for name, word in verdicts if word != "ok"] == []
    assert len(verdicts) == 7
    before, after = (
        {key: int(value) for key, value in map(str.split, booted.lines(f"STATS {when} "))}
        for when in ("before", "after")
    )
    # One large page is kept for who comes next.
    kept = after["large_pages"] - before["large_pages"]
    assert kept in (0, 1)
    assert after == {
        **before,
        "large_pages": before["large_pages"] + kept,
        "bytes_free": before["bytes_free"] + kept * (2 << 20),
    }
    assert after["small_page_fallbacks"] == 0


def test_trampolines_and_dispatchers(booted: Booted, case: tuple[str, str]) -> None:
    assert "XDP returned 2" in booted.console
    everything = [address // PAGE for address in booted.live.values()]

    def shared(kind: str) -> list[str]:
        mine = {name: a for name, a in booted.live.items() if name.startswith(kind)}
        assert mine, f"no {kind} was in use"
        return [name for name, a in mine.items() if everything.count(a // PAGE) > 1]

    assert shared("bpf_trampoline_") == []
    assert bool(shared("bpf_dispatcher_xdp")) == (case[0] == "bpf_prog_pack")


def test_the_kernels_own_tests_pass_and_are_all_jited(booted: Booted) -> None:
    found = re.findall(
        r"test_bpf: Summary: (\d+) PASSED, (\d+) FAILED, \[(\d+)/(\d+)", booted.console
    )
    assert len(found) == 1
    passed, failed, jited, run = map(int, found[0])
    assert passed >= 190
    assert failed == 0
    assert jited == run
