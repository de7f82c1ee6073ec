# SPDX-License-Identifier: GPL-2.0-only
"""/proc/vmallocinfo, slabinfo and buddyinfo: who holds how much of the kernel's memory, and
how much of the free memory is in large pieces."""

import re
from collections.abc import Mapping

from harness.errors import DataError

PAGE_BYTES = 4096
QUOTED = 60

# Functions that allocate, by what they allocate for; the rest is "other".
OWNERS: Mapping[str, str] = {
    "bpf_jit_binary_alloc": "bpf_text",
    "bpf_prog_pack_alloc": "bpf_text",
    "new_area": "bpf_text",  # of our series, which has statistics of its own
    "bpf_trampoline_update": "bpf_trampoline",
    "bpf_trampoline_get": "bpf_trampoline",
    "bpf_dispatcher_change_prog": "bpf_trampoline",
    "bpf_jit_alloc_exec_page": "bpf_trampoline",
    # Since Linux 6.10 for text of every kind and, since 6.13, from shared large pages.
    "execmem_alloc": "execmem",
    "execmem_alloc_rw": "execmem",
    "execmem_vmalloc": "execmem",
    "execmem_cache_populate": "execmem",
    "execmem_cache_populate_alloc": "execmem",
    "arch_ftrace_update_trampoline": "ftrace",
    "alloc_insn_page": "kprobe",
    "load_module": "module",
    "move_module": "module",
    "bpf_prog_alloc_no_stats": "bpf_prog",
    "bpf_prog_realloc": "bpf_prog",
    "kernel_clone": "stack",
    "fork_idle": "stack",
}
MAPPED: Mapping[str, str] = {"bpf_jit_binary_pack_alloc": "bpf_prog_pack_alloc"}
"""Functions that map text from memory in one piece, by those that they do it for."""
OWNER_NAMES = (*dict.fromkeys(OWNERS.values()), "other")
BPF_TEXT_OWNERS = ("bpf_text", "bpf_trampoline")
SHARED_OWNER = "execmem"
"""The kernel's own allocator of executable memory: whose text it holds is not told apart."""
TEXT_OWNERS = (*BPF_TEXT_OWNERS, SHARED_OWNER, "ftrace", "kprobe", "module")
"""All that hold dynamic text."""

_AREA = re.compile(r"^0x[0-9a-f(_ptrval)]+-0x[0-9a-f(_ptrval)]+\s+(?P<size>\d+)(?: (?P<rest>.*))?$")
_CALLER = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])?(?: |$)")
_PAGES = re.compile(r"(?:^| )pages=(\d+)(?: |$)")
_SLAB_VERSION = "slabinfo - version: 2.1"
_SLAB = re.compile(
    r"^(?P<name>\S+)\s+\d+\s+\d+\s+\d+\s+\d+\s+(?P<pages>\d+) : tunables\s+\d+\s+\d+\s+\d+"
    r" : slabdata\s+\d+\s+(?P<slabs>\d+)\s+\d+"
)
SLAB_GROUPS = ("vmap_area", "kmalloc", "other")
LARGE_ORDER = 9
_ZONE = re.compile(r"^Node \d+, zone\s+\w+((?:\s+\d+)+)\s*$")


def vmalloc_callers(text: str) -> dict[str, int]:
    """/proc/vmallocinfo: bytes of memory (pages, not address space) by the function that
    allocated them; areas that are kept mapped after their release ("unpurged") hold none.
    Areas that map memory from elsewhere ("vmap") hold it where it is text, of ``MAPPED``.

    Raises DataError, with the line, for one that is not recognised.
    """
    by_caller: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        area = _AREA.match(line.rstrip())
        if not area:
            raise DataError(f"line {number} is not a vmalloc area: {line[:QUOTED]!r}")
        details = area["rest"] or ""
        pages = _PAGES.search(details)
        caller = _CALLER.match(details)
        name = caller["name"].partition(".")[0] if caller else ""  # a part that gcc split off
        if pages and not caller:
            raise DataError(f"line {number} names no caller: {line[:QUOTED]!r}")
        if pages:
            held = int(pages[1]) * PAGE_BYTES
        elif name in MAPPED and "vmap" in details.split():
            name, held = MAPPED[name], int(area["size"]) - PAGE_BYTES  # less the guard page
        else:
            continue  # device memory, per-CPU address space, unpurged areas
        by_caller[name] = by_caller.get(name, 0) + held
    if not by_caller:
        raise DataError("no area with memory in it")
    return by_caller


def by_owner(callers: Mapping[str, int]) -> dict[str, int]:
    """Bytes by owner (``OWNER_NAMES``); an owner without memory has 0."""
    sizes = dict.fromkeys(OWNER_NAMES, 0)
    for caller, size in callers.items():
        sizes[OWNERS.get(caller, "other")] += size
    return sizes


def vmalloc(text: str) -> dict[str, int]:
    """``by_owner`` of /proc/vmallocinfo."""
    return by_owner(vmalloc_callers(text))


def slab_caches(text: str) -> dict[str, int]:
    """/proc/slabinfo, version 2.1: bytes of pages by cache.

    Raises DataError for another version and, with the line, for what is not recognised.
    """
    lines = text.splitlines()
    if not lines or lines[0] != _SLAB_VERSION:
        raise DataError(f"not {_SLAB_VERSION!r}: {(lines or [''])[0][:QUOTED]!r}")
    by_cache: dict[str, int] = {}
    for number, line in enumerate(lines[1:], 2):
        if line.startswith("#"):
            continue
        cache = _SLAB.match(line)
        if not cache:
            raise DataError(f"line {number} is not a slab cache: {line[:QUOTED]!r}")
        size = int(cache["pages"]) * int(cache["slabs"]) * PAGE_BYTES
        by_cache[cache["name"]] = by_cache.get(cache["name"], 0) + size
    if not by_cache:
        raise DataError("no cache in it")
    return by_cache


def slab(text: str) -> dict[str, int]:
    """Bytes by group of caches (``SLAB_GROUPS``)."""
    sizes = dict.fromkeys(SLAB_GROUPS, 0)
    for cache, size in slab_caches(text).items():
        group = "kmalloc" if cache.startswith("kmalloc-") else cache
        sizes[group if group in sizes else "other"] += size
    return sizes


def buddy(text: str) -> dict[str, int]:
    """/proc/buddyinfo: free memory in whole 2 MB pages, ``large`` (blocks of order 9 and above).

    Raises DataError with the line for anything else, and for other numbers of orders.
    """
    total = zones = 0
    for number, line in enumerate(text.splitlines(), 1):
        zone = _ZONE.match(line)
        blocks = [int(word) for word in zone[1].split()] if zone else []
        if len(blocks) != LARGE_ORDER + 2:
            raise DataError(f"line {number} is not a zone with 11 orders: {line[:QUOTED]!r}")
        total += sum(n << order for order, n in enumerate(blocks[LARGE_ORDER:]))
        zones += 1
    if not zones:
        raise DataError("no zone in it")
    return {"large": total}
