# SPDX-License-Identifier: GPL-2.0-only
"""Linux 7.3 with and without its cache of executable large pages: boots, runs BPF, places it.

Long: both kernels are built from a source that is downloaded (some 20 minutes on two cores).
"""

import re
from pathlib import Path

import pytest

from harness.model.records import TrialStatus
from harness.pipeline import Progress, RunRequest, run
from harness.store import load_run
from harness.tests.vm import bare
from harness.tests.vm.bare import SPLAT, Booted, bench, entry_of, kernel

pytestmark = [pytest.mark.vm, pytest.mark.long]

SCRIPT = """\
mkdir -p /dev/pts; mount -t devpts devpts /dev/pts
bench -w1 -d900 trig-kprobe >/bench.1 2>&1 & one=$!
bench -w1 -d900 trig-fentry >/bench.2 2>&1 & two=$!
renice -n 19 $one $two
attached() { ls -l /proc/$one/fd /proc/$two/fd | grep -cE 'perf_event|bpf_link'; }
for try in $(seq 100); do [ "$(attached)" -ge 2 ] && break; sleep 0.1; done
xdp_run
bpf_symbols | sed 's/^/LIVE /'
page_table live
kill $one $two; wait
churn 2 200 8 1
sleep 1
bpf_symbols | sed 's/^/LEFT /'
page_table left
insmod /test_bpf.ko test_range=0,199; rmmod test_bpf
for file in page_tables/kernel kprobes/list; do
  [ -e /sys/kernel/debug/$file ] && echo "FILE $file"
done
grep -oE '^(nr_tlb_remote_flush|direct_map_level2_splits)' /proc/vmstat | sed 's/^/FILE /'
[ -s /sys/kernel/btf/vmlinux ] && echo FILE btf
zcat /proc/config.gz | grep 'PAGE_TABLE_ISOLATION=' | sed 's/^/CONF /'
"""
KERNELS = ("mainline", "mainline-norox")
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
    assert [x for x in booted.console.splitlines() if re.search(SPLAT, x)] == []


def test_isolation_is_as_asked(booted: Booted, case: tuple[str, str]) -> None:
    enabled = "Kernel/User page tables isolation: enabled" in booted.console
    assert enabled == (case[1] == "on")
    assert "CONFIG_MITIGATION_PAGE_TABLE_ISOLATION=y" in booted.lines("CONF ")


def test_what_facts_are_read_from_is_there(booted: Booted) -> None:
    assert set(booted.lines("FILE ")) == {
        "page_tables/kernel", "kprobes/list", "nr_tlb_remote_flush", "direct_map_level2_splits",
        "btf",
    }  # fmt: skip


@pytest.mark.parametrize("when", ["live", "left"])
def test_nothing_is_writable_and_executable(booted: Booted, when: str) -> None:
    executable = booted.lines(f"PT {when} ")
    assert executable, "no page-table dump"
    assert [x for x in executable if " RW " in x] == []


def test_bpf_text_is_on_large_pages_only_with_the_cache(
    booted: Booted, case: tuple[str, str]
) -> None:
    table = booted.lines("PT live ")
    for kind in ("bpf_prog_", "bpf_trampoline_", "bpf_dispatcher_xdp"):
        assert any(name.startswith(kind) for name in booted.live), f"no {kind} was in use"
    level = "pmd" if case[0] == "mainline" else "pte"
    for name, address in booted.live.items():
        line = entry_of(table, address)
        assert " ro " in line and line.endswith(level), f"{name}: {line}"


def test_programs_share_pages(booted: Booted) -> None:
    programs = [a for name, a in booted.live.items() if name.startswith("bpf_prog_")]
    assert len(programs) >= 6
    assert len({address >> 12 for address in programs}) < len(programs)
    assert "XDP returned 2" in booted.console


def test_all_programs_go_when_their_users_end(booted: Booted) -> None:
    assert [x for x in booted.lines("LEFT ") if "bpf_dispatcher_xdp" not in x] == []
    assert '"failed": 0' in booted.console, "churn"


def test_the_kernels_own_tests_pass_and_are_all_jited(booted: Booted) -> None:
    found = re.findall(
        r"test_bpf: Summary: (\d+) PASSED, (\d+) FAILED, \[(\d+)/(\d+)", booted.console
    )
    assert len(found) == 1
    passed, failed, jited, ran = map(int, found[0])
    assert passed >= 190
    assert failed == 0
    assert jited == ran


def test_both_are_one_source_and_one_configuration() -> None:
    one, other = (kernel(name).identity for name in KERNELS)
    assert (one.base_sha256, one.config_sha256) == (other.base_sha256, other.config_sha256)
    assert one.base == other.base and tuple(map(int, one.base.split(".")[:2])) >= (7, 3)
    assert one.image_sha256 != other.image_sha256
    assert bench().read_bytes()[:4] == b"\x7fELF"


def test_nothing_breaks_when_modules_race(tmp_path: Path) -> None:
    request = RunRequest(
        suite="smoke", workload="modules-race", kernels=",".join(KERNELS),
        settings={"counters": "none", "smp": 2}, params={"loads": 120}, out=tmp_path, jobs=1,
    )  # fmt: skip
    for record in load_run(run(request, Progress()).path).records:
        assert record.status is TrialStatus.OK, record.failure
        assert set(record.verdicts.values()) == {"pass"}, record.notes
