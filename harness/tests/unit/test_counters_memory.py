# SPDX-License-Identifier: GPL-2.0-only
"""Who holds memory and how modules are mapped: captured files; anything else is refused."""

import json
from collections.abc import Callable, Mapping

import pytest

from harness.counters.facts import holdings, layout, memory, module_pages, page_tables, sampled
from harness.counters.facts.files import Files
from harness.counters.facts.guest_symbols import Symbol
from harness.errors import DataError
from harness.model.reading import Reading, Status
from harness.tests.unit.captured_trials import MIXED, trial


def kept(name: str, variant: str = MIXED) -> str:
    return trial(variant).files[name].decode()


def test_vmalloc_memory_by_owner() -> None:
    packs = memory.vmalloc(kept("close/proc/vmallocinfo"))
    assert packs["bpf_text"] == 2 << 20
    assert packs["bpf_trampoline"] == 4096
    assert packs["module"] == 40 * 4096
    alone = memory.vmalloc_callers(kept("close/proc/vmallocinfo", "upstream"))
    assert alone["bpf_jit_binary_alloc"] == alone["bpf_prog_alloc_no_stats"]
    assert memory.vmalloc(kept("baseline/proc/vmallocinfo"))["bpf_text"] == 0


def test_areas_without_memory_of_their_own_hold_none() -> None:
    text = (
        "0x(____ptrval____)-0x(____ptrval____)   20480 irq_init_percpu_irqstack+0xe9/0x120 vmap\n"
        "0x00000000c0000000-0x00000000c0002000    8192 unpurged vm_area\n"
        "0xffffc90000000000-0xffffc90000005000   20480 f.isra.0+0x1/0x2 [mod] pages=4 vmalloc\n"
    )
    assert memory.vmalloc_callers(text) == {"f": 4 * 4096}


def test_packs_of_memory_in_one_piece_hold_what_they_map() -> None:
    """As on pack-on-large-area; the writable copy of a program that is being loaded is no text."""
    caller = "bpf_jit_binary_pack_alloc+0x7b/0x150"
    text = (
        f"0x(____ptrval____)-0x(____ptrval____) 2101248 {caller} vmap\n"
        f"0x(____ptrval____)-0x(____ptrval____)   16384 {caller} pages=3 vmalloc N0=3\n"
    )
    found = memory.vmalloc(text)
    assert (found["bpf_text"], found["other"]) == (2 << 20, 3 * 4096)


def test_slab_pages() -> None:
    caches = memory.slab_caches(kept("close/proc/slabinfo"))
    assert caches["RAWv6"] == 4 * 4096
    grouped = memory.slab(kept("close/proc/slabinfo"))
    assert sum(grouped.values()) == sum(caches.values())
    assert grouped["vmap_area"] == caches["vmap_area"]


CACHE = "x 1 1 64 64 1 : tunables 0 0 0 : slabdata 1 1 0\n"


@pytest.mark.parametrize(
    ("parse", "content", "why"),
    [
        (memory.vmalloc, "", "no area"),
        (memory.vmalloc, "0x1-0x2 4096 pages=1 vmalloc\n", "line 1 names no caller"),
        (memory.vmalloc, "[0x1-0x2] 4096 f+0x1/0x2 pages=1\n", "line 1 is not a vmalloc area"),
        (memory.slab, "slabinfo - version: 3.0\n" + CACHE, "version: 2.1"),
        (memory.slab, "", "version: 2.1"),
        (memory.slab, "slabinfo - version: 2.1\n# name\n", "no cache"),
        (memory.slab, "slabinfo - version: 2.1\nx 1 1 64\n", "line 2"),
        (module_pages.parse, "aead 16384 0 - Live 0x0000000000000000\n", "kptr_restrict"),
        (module_pages.parse, "aead 16384 0 -\n", "line 1"),
        (module_pages.parse, "aead 16384 0 - Zombie 0xffffffffc021a000\n", "line 1"),
    ],
)
def test_unrecognised_content_is_refused(
    parse: Callable[[str], object], content: str, why: str
) -> None:
    with pytest.raises(DataError, match=why):
        parse(content)


def test_pages_of_modules() -> None:
    found = module_pages.parse(kept("workload/proc_modules"))
    assert [m.name for m in found][:2] == ["akcipher", "af_alg"]
    mapped = module_pages.mapped(found, page_tables.parse(kept("close/kernel_page_tables")))
    assert sum(mapped.pages.values()) == sum(m.size for m in found) // 4096
    assert mapped.pages["text", "pte"] == 10
    assert mapped.would_do == {"text": 1, "rodata": 1, "data": 1}


AREA = 0xFFFFFFFFC0000000


def area(*pieces: tuple[int, int, str, str]) -> page_tables.PageTables:
    """(offset, bytes, flags, level) in the module area, as a dump."""
    lines = [
        f"0x{AREA + at:016x}-0x{AREA + at + size:016x} {size >> 10}K {flags} {level}"
        for at, size, flags, level in pieces
    ]
    return page_tables.parse("\n".join(["---[ Modules ]---", *lines, "---[ Fixmap Area ]---"]))


def of_module(name: str, *offsets: int) -> list[Symbol]:
    return [Symbol(AREA + at, f"{name}_{at:x}", name) for at in offsets]


IN_PIECES = area(
    (0x0000, 0x2000, "ro x", "pte"),
    (0x3000, 0x1000, "ro NX", "pte"),
    (0x5000, 0x3000, "RW NX", "pte"),
    (0x9000, 0x1000, "ro x", "pte"),
    (0xB000, 0x1000, "RW NX", "pte"),
)
TWO = [module_pages.Module("a", AREA, 0x6000), module_pages.Module("b", AREA + 0x9000, 0x2000)]
NAMES = [*of_module("a", 0x10, 0x3008, 0x5100), *of_module("b", 0x9010, 0xB000)]


def test_pieces_of_modules_are_found_by_their_symbols() -> None:
    found = module_pages.mapped(TWO, IN_PIECES, NAMES)
    assert {key: n for key, n in found.pages.items() if n} == {
        ("text", "pte"): 3,
        ("rodata", "pte"): 1,
        ("data", "pte"): 4,
    }
    assert found.would_do == {"text": 1, "rodata": 1, "data": 1}


def test_a_module_of_which_a_piece_is_not_found_is_refused() -> None:
    with pytest.raises(DataError, match=r"module a is in pieces.* 20480 bytes of 24576"):
        module_pages.mapped(TWO, IN_PIECES, [s for s in NAMES if s.address != AREA + 0x3008])
    with pytest.raises(DataError, match=r"module a is in pieces.* 8192 bytes of 24576"):
        module_pages.mapped(TWO, IN_PIECES)
    with pytest.raises(DataError, match="modules a and b share"):
        module_pages.mapped(
            [TWO[0], module_pages.Module("b", AREA + 0x9000, 0x4000)],
            IN_PIECES,
            [*NAMES, *of_module("b", 0x20)],
        )


def test_text_in_shared_large_pages() -> None:
    """As with the cache of large pages: a module's bytes all fit its text's page, and are not."""
    tables = area(
        (0x000000, 0x200000, "ro x", "pmd"),
        (0x201000, 0x001000, "ro NX", "pte"),
        (0x203000, 0x003000, "RW NX", "pte"),
    )
    one = [module_pages.Module("a", AREA + 0x4000, 0x6000)]
    found = module_pages.mapped(one, tables, of_module("a", 0x4010, 0x201000, 0x203000))
    assert found.pages == {("text", "pte"): 0, ("text", "pmd"): 1}
    assert found.would_do == {}


def test_a_module_without_text_hides_no_address() -> None:
    """As cast_common, which has tables only: Linux 6.4 and later show 0 for its address."""
    lines = "cast_common 12288 2 cast5_generic,cast6_generic, Live 0x0000000000000000\n"
    loaded = module_pages.parse(f"{lines}a 24576 0 - Live 0x{AREA:016x}\n")
    assert loaded == (
        module_pages.Module("cast_common", None, 12288),
        module_pages.Module("a", AREA, 24576),
    )
    with pytest.raises(DataError, match="kptr_restrict"):
        module_pages.parse(lines)
    small = module_pages.Module("cast_common", None, 0x1000)
    with pytest.raises(DataError, match=r"module cast_common is in pieces.* 0 bytes of 4096"):
        module_pages.mapped([small, *TWO], IN_PIECES, NAMES)
    large = area((0, 0x200000, "ro x", "pmd"))
    text = [small, module_pages.Module("a", AREA + 0x4000, 0x6000)]
    assert module_pages.mapped(text, large).pages == {("text", "pte"): 0, ("text", "pmd"): 1}


def at_close(
    changed: Mapping[str, bytes], absent: Mapping[str, str] | None = None
) -> dict[str, Reading]:
    raw = trial(MIXED)
    gone = {k: v for k, v in raw.absent.items() if k not in changed} | dict(absent or {})
    files = {k: v for k, v in {**raw.files, **changed}.items() if k not in gone}
    found = Files(files, gone)
    edge = holdings.of_edge(found, layout.layout(found, "close"), "close")
    return {r.name: r for r in edge}


def test_memory_held_for_bpf_text() -> None:
    found = at_close({})
    total = found["bpf.text.held_bytes"].value
    assert total == (2 << 20) + 4096
    jited = sum(p["jited_len"] for p in json.loads(kept("close/bpf_progs.json")))
    assert found["bpf.text.held_per_jited"].value == round(total / jited, 3)
    none = at_close({"close/bpf_progs.json": b"[]"})["bpf.text.held_per_jited"]
    assert (none.status, none.reason) == (Status.NOT_COUNTED, "no program is loaded")
    stats = {"close/execmem/stats": b"bytes_used 4096\nbytes_free 8192\n"}
    gone = {k: v for k, v in trial(MIXED).absent.items() if k != "close/execmem/stats"}
    raw = trial(MIXED)
    files = Files({**raw.files, **stats}, gone)
    held = holdings.of_edge(files, layout.layout(files, "close"), "close")[0]
    assert held.value == 12288


def test_an_allocator_that_is_not_known_is_not_zero() -> None:
    other = kept("close/proc/vmallocinfo").replace("bpf_prog_pack_alloc", "brand_new_alloc")
    other = other.replace("bpf_trampoline_update", "brand_new_alloc")
    held = at_close({"close/proc/vmallocinfo": other.encode()})["bpf.text.held_bytes"]
    assert held.status is Status.NOT_SUPPORTED
    assert "known to allocate BPF text" in held.reason


def test_an_allocator_of_all_kinds_of_text_is_not_bpfs() -> None:
    """Linux 7.3: one function of the kernel's own execmem for every kind of text."""
    shared = kept("close/proc/vmallocinfo").replace("bpf_prog_pack_alloc", "execmem_alloc")
    found = at_close({"close/proc/vmallocinfo": shared.encode()})
    assert found["bpf.text.held_bytes"].status is Status.NOT_SUPPORTED
    assert "modules, kprobes and ftrace alike" in found["bpf.text.held_bytes"].reason
    assert found["bpf.text.held_per_jited"].value is None
    assert found["text.held_bytes"] == at_close({})["text.held_bytes"]


def test_memory_held_for_all_text() -> None:
    owners = memory.vmalloc(kept("close/proc/vmallocinfo"))
    every = sum(owners[o] for o in ("bpf_text", "bpf_trampoline", "ftrace", "kprobe", "module"))
    assert at_close({})["text.held_bytes"].value == every > owners["bpf_text"]
    stats = {"close/execmem/stats": b"bytes_used 100\nbytes_free 28\n"}
    rest = sum(owners[o] for o in ("ftrace", "kprobe", "module"))
    assert at_close(stats)["text.held_bytes"].value == 128 + rest
    assert at_close(stats)["bpf.text.held_bytes"].value == 128
    lost = {"close/execmem/stats": b"bytes_used 100\nbytes_free 28\nbytes_dead 4096\n"}
    assert at_close(lost)["bpf.text.held_bytes"].value == 128 + 4096


def test_modules_that_cannot_be_read_are_not_supported() -> None:
    listed = kept("workload/proc_modules").encode()
    found = at_close({"close/proc/modules": listed})
    assert (found["modules.loaded"].value, found["modules.text.pages_4k"].value) == (7, 10)
    assert "modules.loaded" not in at_close({"close/proc/modules": b""})
    missing = at_close({}, {"close/proc/modules": "/proc/modules: No such file or directory"})
    assert missing["modules.loaded"].status is Status.NOT_SUPPORTED
    blind = at_close(
        {"close/proc/modules": listed}, {"close/kernel_page_tables": "no such debugfs file"}
    )
    assert blind["modules.text.pages_4k"].reason == "no such debugfs file"


def test_a_trace_that_was_asked_for_and_is_missing_says_so() -> None:
    raw = trial(MIXED)
    absent = {f"{edge}/tracing/tlb_flush": "hist: No such file or directory" for edge in EDGES}
    found = sampled.of_edges(Files(raw.files, {**raw.absent, **absent}))
    flushes = [r for r in found if r.name == "tlb.flush"]
    assert flushes
    assert {(r.status, r.reason) for r in flushes} == {
        (Status.NOT_SUPPORTED, "hist: No such file or directory")
    }


EDGES = ("baseline", "open", "close", "end")
