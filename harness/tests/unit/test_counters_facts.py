# SPDX-License-Identifier: GPL-2.0-only
"""Files of the guest kernel: captured ones are read, everything else is refused with its line."""

import json

import pytest

from harness.counters.facts import (
    guest_symbols,
    module_pages,
    page_tables,
    proc_files,
    sampled,
    trace,
)
from harness.counters.facts.files import Files, Missing
from harness.counters.facts.guest_symbols import Symbol, origin_of
from harness.errors import DataError
from harness.model.reading import Reading, Status
from harness.tests.unit.captured_trials import trial


def kept(name: str, variant: str = "upstream") -> str:
    return trial(variant).files[name].decode()


def test_vmstat_and_meminfo_of_a_guest() -> None:
    vmstat = proc_files.pairs(kept("close/proc/vmstat"))
    assert vmstat["direct_map_level2_splits"] == 4
    meminfo = proc_files.meminfo(kept("close/proc/meminfo"))
    total = meminfo["DirectMap4k"] + meminfo["DirectMap2M"] + meminfo["DirectMap1G"]
    assert meminfo["MemTotal"] < total


def test_interrupts_of_a_guest_are_summed_over_cpus() -> None:
    found = proc_files.interrupts(kept("end/proc/interrupts"))
    assert found["TLB"] == 1
    assert found["ERR"] == 0


def test_of_stat_the_rows_of_one_number_are_read() -> None:
    text = "cpu  1 0 2\ncpu0 1 0 2\nintr 9 0 4\nctxt 4711\nprocesses 85\nsoftirq 3 1\n"
    assert proc_files.stat(text) == {"ctxt": 4711, "processes": 85}


@pytest.mark.parametrize(
    ("parse", "content", "why"),
    [
        (proc_files.stat, "cpu 1 2\nctxt many\n", "line 2"),
        (proc_files.stat, "ctxt 5\nbtime\n", "line 2"),
        (proc_files.pairs, "nr_free_pages 5\nnr_tlb_remote_flush\n", "line 2"),
        (proc_files.pairs, "a 1\na 2\n", "a second time"),
        (proc_files.pairs, "bytes_used: 4096\nx y z\n", "line 2"),
        (proc_files.pairs, "", "empty"),
        (proc_files.meminfo, "MemTotal:   12 kB\nSlab: many kB\n", "line 2"),
        (proc_files.meminfo, "", "empty"),
        (proc_files.interrupts, "TLB: 1 2\n", "no CPU header"),
        (proc_files.interrupts, "    CPU0  CPU1\nTLB:  1  TLB shootdowns\n", "line 2"),
        (proc_files.interrupts, "", "no CPU header"),
        (proc_files.interrupts, "  CPU0\nTLB: \u00b2\n", "line 2"),
        (module_pages.parse, "m 4294967296 0 - Live 0xffffffffc0000000\n", "more than"),
        (
            lambda text: guest_symbols.programs(text.encode("latin-1")),
            '[{"id": 1, "name": "\xed"}]',
            "utf-8",
        ),
        (trace.tlb_flush, "# nothing\n", "no totals"),
        (trace.tlb_flush, "{ stacktrace: x } hitcount: 1\n", "line 1"),
        (page_tables.parse, "", "no mapped range"),
        (page_tables.parse, "---[ Modules ]---\n0xffff-0x1 4K RW NX pte\n", "line 2"),
        (guest_symbols.kallsyms, "", "no symbol"),
        (guest_symbols.kallsyms, "ffff T _text\n", "line 1"),
        (guest_symbols.kallsyms, "0000000000000000 T _text\n", "kptr_restrict"),
    ],
)
def test_unrecognised_content_is_refused(parse, content: str, why: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=why):
        parse(content)


def test_a_number_that_no_kernel_writes_is_a_reason() -> None:
    value = Files({"open/proc/vmstat": b"a " + b"9" * 5000}, {}).number("open", "proc/vmstat", "a")
    assert isinstance(value, Missing)
    assert "more than 20 digits" in value.reason


def test_tlb_flush_histogram() -> None:
    found = trace.tlb_flush(HISTOGRAM)
    assert found["remote_shootdown"] == 7
    assert found["flush_on_task_switch"] == 120
    assert found["local_shootdown"] == 0
    with pytest.raises(DataError, match="add up"):
        trace.tlb_flush(HISTOGRAM.replace("Hits: 127", "Hits: 128"))
    with pytest.raises(DataError, match="dropped 3"):
        trace.tlb_flush(HISTOGRAM.replace("Dropped: 0", "Dropped: 3"))
    with pytest.raises(DataError, match="not known"):
        trace.tlb_flush(HISTOGRAM.replace("reason:          1", "reason:         77"))


HISTOGRAM = """\
# event histogram
#
# trigger info: hist:keys=reason:vals=hitcount:sort=hitcount:size=2048 [active]
#

{ reason:          1 } hitcount:          7
{ reason:          0 } hitcount:        120

Totals:
    Hits: 127
    Entries: 2
    Dropped: 0
"""


# Page tables.


def test_page_tables_of_a_guest() -> None:
    tables = page_tables.parse(kept("close/kernel_page_tables"))
    first = tables.find(0xFFFFFFFF81000000)
    assert first is not None
    assert (first.level, first.kind, first.section) == ("pmd", "text", "High Kernel Mapping")
    assert tables.find(0xFFFFFFFF81A02000) is None  # behind _etext: not mapped
    assert tables.write_execute() == 0
    last = tables.ranges[-1]
    assert last.section == "Fixmap Area"


RANGE = "0xffffffffc0000000-0xffffffffc0002000           8K     {}                 pte"
FIXMAP = "\n---[ Fixmap Area ]---\n"


def dump(flags: str) -> page_tables.PageTables:
    return page_tables.parse("---[ Modules ]---\n" + RANGE.format(flags) + FIXMAP)


def test_write_execute_is_found() -> None:
    assert dump("RW  GLB x ").write_execute() == 1
    assert dump("ro  GLB x ").write_execute() == 0
    assert dump("ro  GLB x ").count(("Modules",), "text", "pte") == 2
    assert dump("RW  GLB NX").count(("Modules",), "data", "pte") == 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (RANGE.format("ro      "), "what is allowed"),
        (RANGE.format("RW ro x "), "what is allowed"),
        (RANGE.format("ro x").replace("pte", "pgd"), "maps a page at pgd"),
        (RANGE.format("ro x").replace("pte", "pmd"), "not a run of pmd pages"),
        ("... some entries skipped ...", "line 2"),
    ],
)
def test_ranges_that_contradict_themselves(line: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        page_tables.parse(f"---[ Modules ]---\n{line}{FIXMAP}")


def test_skipped_entries_and_a_cut_dump() -> None:
    skipped = "... 131059 entries skipped ... \n"
    whole = f"---[ ESPfix Area ]---\n{skipped}{RANGE.format('ro x')}{FIXMAP}"
    assert len(page_tables.parse(whole).ranges) == 1
    whole = kept("close/kernel_page_tables")
    cut = whole[: whole.index("---[ Fixmap")]
    with pytest.raises(DataError, match="cut short"):
        page_tables.parse(cut)


def test_pages_that_hold_text_count_once() -> None:
    tables = dump("ro x")
    at = 0xFFFFFFFFC0000000
    pages, broken = tables.pages([(at, at + 64), (at + 64, at + 128), (at + 4000, at + 4200)])
    assert (len(pages["pte"]), broken) == (2, 0)
    _, broken = tables.pages([(at + 0x1FF0, at + 0x2010)])  # runs out of the mapping
    assert broken == 1


# Text.


@pytest.mark.parametrize(
    ("symbol", "origin"),
    [
        (Symbol(1, "bpf_prog_21856463590f61f1_trigger", "bpf"), "bpf_prog"),
        (Symbol(1, "bpf_trampoline_6442536467", "bpf"), "bpf_trampoline"),
        (Symbol(1, "bpf_dispatcher_xdp", "bpf"), "bpf_dispatcher"),
        (Symbol(1, "ftrace_trampoline", "__builtin__ftrace"), "ftrace_trampoline"),
        (Symbol(1, "kprobe_optinsn_page", "__builtin__kprobes"), "kprobe"),
        (Symbol(1, "kprobe_insn_page", "__builtin__kprobes"), "kprobe"),
        (Symbol(1, "veth_xmit", "veth"), "module"),
        (Symbol(1, "_text", ""), ""),
    ],
)
def test_origin_of(symbol: Symbol, origin: str) -> None:
    assert origin_of(symbol) == origin


def program(**changes: object) -> bytes:
    one = {"id": 5, "name": "p", "tag": "00", "type": 2, "jited_len": 36, "xlated_len": 48}
    one |= {"ksyms": ["0xffffffffc0000000"], "func_lens": [36]}
    return json.dumps([one | changes]).encode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{", "array"),
        (program(jited_len="many"), r"jited_len"),
        (program(func_lens=[]), "1 addresses and 0 lengths"),
        (program(ksyms=["here"]), "address that is none"),
        (program(ksyms=["0x0"]), "no address"),
        (program(func_lens=[1 << 60]), "more than its area"),
        (program(func_lens=[-1]), "less than no bytes"),
    ],
)
def test_programs_that_cannot_be_trusted(data: bytes, why: str) -> None:
    with pytest.raises(DataError, match=why):
        guest_symbols.programs(data)


# Readings.


def by_key(found: list[Reading]) -> dict[tuple[str, str], Reading]:
    return {(r.name, r.labels.get("phase") or r.labels["at"]): r for r in found}


def test_counters_are_differences_and_states_are_not() -> None:
    raw = trial("upstream")
    found = by_key(sampled.of_edges(Files(raw.files, raw.absent)))
    assert found["direct_map.splits_2m", "load"].value == 4
    assert found["direct_map.splits_2m", "window"].value == 0
    assert found["direct_map.splits_2m", "baseline"].value == 0
    assert found["tlb.remote_flush", "load"].value == 106
    assert found["tlb.shootdown_ipi", "trial"].value == 1
    assert found["direct_map.4k", "close"].unit == "kB"
    assert not any(name.startswith(("tlb.flush", "direct_map.coll")) for name, _ in found)
    mine = [r for (name, _), r in found.items() if name.startswith("execmem.")]
    assert len(mine) == 4 * 6
    assert all(r.status is Status.NOT_SUPPORTED and "execmem/stats" in r.reason for r in mine)


def test_what_is_missing_is_not_supported_with_its_file() -> None:
    raw = trial("upstream")
    files = {k: v for k, v in raw.files.items() if k != "close/proc/vmstat"}
    files["open/proc/interrupts"] = b"who knows\n"
    files["end/proc/meminfo"] = raw.files["end/proc/meminfo"].replace(b"DirectMap1G", b"Other1G")
    absent = {"close/proc/vmstat": "/proc/vmstat: Permission denied"}
    found = by_key(sampled.of_edges(Files(files, absent)))
    for key, why in (
        (("tlb.remote_flush", "window"), "/proc/vmstat: Permission denied"),
        (("tlb.shootdown_ipi", "load"), "proc/interrupts: no CPU header"),
        (("direct_map.1g", "end"), "proc/meminfo has no DirectMap1G"),
    ):
        assert found[key].status is Status.NOT_SUPPORTED
        assert found[key].value is None
        assert why in found[key].reason
    assert found["tlb.remote_flush", "load"].value == 106


def test_nothing_sampled_is_never_zero() -> None:
    found = sampled.of_edges(Files({}, {}))
    assert found
    assert all(r.status is Status.NOT_SUPPORTED and r.reason for r in found)


def test_a_counter_that_falls_is_none() -> None:
    def files(before: int, after: int) -> Files:
        line = "nr_tlb_remote_flush {}\n"
        made = {"baseline": before, "open": before, "close": after, "end": after}
        return Files({f"{e}/proc/vmstat": line.format(v).encode() for e, v in made.items()}, {})

    assert by_key(sampled.of_edges(files(3, 5)))["tlb.remote_flush", "window"].value == 2
    fell = by_key(sampled.of_edges(files(5, 3)))["tlb.remote_flush", "window"]
    assert (fell.status, fell.value) == (Status.NOT_SUPPORTED, None)
    assert "fell from 5 to 3" in fell.reason


def test_newer_kernels_and_the_allocators_own_figures() -> None:
    files = {}
    for n, edge in enumerate(("baseline", "open", "close", "end")):
        files[f"{edge}/proc/vmstat"] = f"direct_map_level2_collapses {n}\n".encode()
        files[f"{edge}/execmem/stats"] = f"bytes_used {4096 * n}\nlarge_pages 1\n".encode()
        files[f"{edge}/tracing/tlb_flush"] = HISTOGRAM.encode()
    made = sampled.of_edges(Files(files, {}))
    found = by_key(made)
    assert found["direct_map.collapses_2m", "trial"].value == 3
    assert (found["execmem.bytes_used", "end"].value, found["execmem.bytes_used", "end"].unit) == (
        3 * 4096,
        "B",
    )
    assert found["execmem.large_pages", "open"].unit == "page"
    assert found["execmem.small_pages", "open"].status is Status.NOT_SUPPORTED
    flushes = [r for r in made if r.name == "tlb.flush"]
    assert {r.labels["reason"] for r in flushes} == set(trace.REASONS[:-1])
    newer = HISTOGRAM.replace("reason:          1", "reason:          5")
    files["end/tracing/tlb_flush"] = newer.encode()
    late = [r for r in sampled.of_edges(Files(files, {})) if r.name == "tlb.flush"]
    unknown = [r for r in late if r.labels["reason"] == trace.NEWER_REASON]
    assert unknown
    assert all(r.status is Status.NOT_SUPPORTED for r in unknown)
