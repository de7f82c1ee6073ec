# SPDX-License-Identifier: GPL-2.0-only
"""Kernel functions whose calls the model counts, and readings made of such counts.

A call is an execution of the function's first instruction. The model has its cumulative
count at each edge of a trial (``snapshots``); readings are differences by phase, as those
of the kernel's own counters are. What the compiler has inlined is not counted: a function
that is inlined everywhere is not a symbol and therefore unknown, never 0, and one that is called
from its own file may be inlined there and count the other callers only (text_poke).

Which functions a kernel's counters stand for (Linux 6.1 to 7.3, arch/x86/mm/tlb.c):
nr_tlb_remote_flush counts each entry of native_flush_tlb_multi and of flush_tlb_all;
nr_tlb_remote_flush_received each do_flush_tlb_all and each flush_tlb_func on a CPU that
did not ask for it, which the TLB row of /proc/interrupts counts as well, in every kernel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.counters.facts.files import EDGES, Files, Missing, Value, reading
from harness.counters.facts.sampled import PHASES, difference
from harness.counters.facts.snapshots import Snapshot, last_number
from harness.errors import TrialError
from harness.guest.agent import wire
from harness.metrics.catalogue import read_by
from harness.metrics.readers import CountedCalls, EachFunction
from harness.model.reading import Reading

MAX_WATCH = 125
"""Addresses that the model can count at once."""


class Group(StrEnum):
    """What a function is for."""

    PERMISSIONS = "permissions"
    FLUSH = "TLB flushes"
    PATCH = "text patching"
    BPF = "BPF text"
    EXECMEM = "execmem"
    MODULES = "modules and vmalloc"


@dataclass(frozen=True, kw_only=True)
class Function:
    """A kernel function. Readings carry the first of its names."""

    symbols: tuple[str, ...]  # the older name first, where it changed
    group: Group
    meaning: str  # what one call is
    source: str  # file in the kernel's tree; both where it moved

    @property
    def name(self) -> str:
        """What readings call it."""
        return self.symbols[0]


_SET_MEMORY = "arch/x86/mm/pat/set_memory.c"
_TLB = "arch/x86/mm/tlb.c"
_PATCH = "arch/x86/kernel/alternative.c"
_BPF = "kernel/bpf/core.c"
_EXECMEM = "mm/execmem.c"


def _of(group: Group, source: str, *rows: tuple[str, str]) -> tuple[Function, ...]:
    """Functions of one group and file: (names, meaning) each, names apart by ``|``."""
    return tuple(
        Function(symbols=tuple(names.split("|")), group=group, meaning=meaning, source=source)
        for names, meaning in rows
    )


FUNCTIONS: tuple[Function, ...] = (
    *_of(
        Group.PERMISSIONS,
        _SET_MEMORY,
        ("set_memory_ro", "pages made read-only"),
        ("set_memory_rw", "pages made writable"),
        ("set_memory_x", "pages made executable"),
        ("set_memory_nx", "pages made not executable"),
        ("set_memory_rox", "pages made read-only and executable in one go (Linux 6.2)"),
        ("set_direct_map_invalid_noflush", "a page taken out of the direct map"),
        ("set_direct_map_default_noflush", "a page of the direct map as it was"),
        ("set_direct_map_valid_noflush", "pages of the direct map in or out (Linux 6.13)"),
        ("change_page_attr_set_clr", "attributes of pages changed, by whatever road"),
        ("__split_large_page", "a large page-table entry split into 512"),
        ("cpa_flush", "flush after attributes were changed"),
    ),
    *_of(
        Group.FLUSH,
        _TLB,
        ("native_flush_tlb_multi|native_flush_tlb_others", "other CPUs told to flush (since 5.13)"),
        ("flush_tlb_func", "a flush of user mappings done, on the asking CPU or another"),
        ("flush_tlb_all", "every CPU told to flush everything"),
        ("do_flush_tlb_all", "such a flush done, on each CPU"),
        ("flush_tlb_kernel_range", "kernel addresses flushed on every CPU"),
        ("flush_tlb_mm_range", "addresses of a process flushed where it runs"),
        ("flush_tlb_one_kernel", "a kernel address flushed on one CPU"),
    ),
    *_of(
        Group.PATCH,
        _PATCH,
        ("__text_poke", "bytes of live text written, by whatever road"),
        ("text_poke", "written by another part of the kernel"),
        ("text_poke_copy", "bytes copied into read-only text"),
        ("text_poke_set", "read-only text filled with one byte"),
        ("text_poke_bp|smp_text_poke_single", "an instruction replaced behind a breakpoint"),
        ("text_poke_queue|smp_text_poke_batch_add", "such a replacement queued"),
        ("text_poke_bp_batch|smp_text_poke_batch_process", "queued replacements carried out"),
        ("text_poke_finish|smp_text_poke_batch_finish", "the queue brought to its end"),
    ),
    *_of(
        Group.BPF,
        _BPF,
        ("bpf_prog_pack_alloc", "room for a program taken from a pack (Linux 5.18)"),
        ("bpf_prog_pack_free", "given back to the pack"),
        ("bpf_jit_binary_pack_alloc", "room for a program and its writable copy"),
        ("bpf_jit_binary_pack_finalize", "the copy put into place"),
        ("bpf_jit_binary_pack_free", "both given back"),
        ("bpf_jit_binary_alloc", "pages for a program, without packs"),
        ("bpf_jit_binary_free", "given back"),
        ("bpf_prog_select_runtime", "a program given to the JIT"),
        ("bpf_prog_free", "a program's release begun"),
    ),
    *_of(
        Group.BPF,
        "kernel/bpf/syscall.c",
        ("bpf_prog_load", "bpf(2) asked to load a program"),
    ),
    *_of(
        Group.EXECMEM,
        _EXECMEM,
        ("execmem_alloc", "executable memory asked for (our series; Linux 6.10)"),
        ("execmem_free", "given back"),
        ("execmem_fill", "text put into it (our series)"),
        ("execmem_alloc_rw", "asked for, to be written first (Linux 6.17)"),
        ("execmem_update_copy", "bytes copied into it (Linux 6.13 to 6.16)"),
        ("execmem_make_temp_rw|execmem_force_rw", "made writable for a while (Linux 6.14)"),
        ("execmem_restore_rox", "made read-only and executable again (Linux 6.14)"),
        ("execmem_cache_alloc", "a piece of the cache of large pages (Linux 6.13)"),
        ("execmem_cache_populate", "a large page added to the cache"),
        ("execmem_cache_add", "a free piece put into the cache"),
        ("execmem_cache_free", "a piece given back to the cache"),
        ("execmem_cache_clean", "large pages that are free given back"),
    ),
    *_of(
        Group.MODULES,
        "kernel/module/main.c",
        ("load_module", "a module loaded"),
        ("free_module", "a module unloaded"),
        ("module_memfree", "a module's memory given back (until Linux 6.9)"),
    ),
    *_of(
        Group.MODULES,
        "arch/x86/kernel/module.c",
        ("module_alloc", "memory for a module or a program (until Linux 6.9)"),
    ),
    *_of(
        Group.MODULES,
        "mm/vmalloc.c",
        ("__vmalloc_node_range|__vmalloc_node_range_noprof", "virtually contiguous memory"),
        ("vfree", "such memory given back"),
    ),
)

SYMBOLS: tuple[str, ...] = tuple(dict.fromkeys(s for f in FUNCTIONS for s in f.symbols))
"""Every name, for the guest to look up."""


def of_trial(
    files: Files,
    asked: wire.Calls | None,
    reasons: Mapping[str, str],
    watched: Sequence[int],
    taken: Mapping[int, Snapshot],
) -> list[Reading]:
    """Counted calls by function and phase, and what they stand for.

    ``reasons``: why the guest found no address, by symbol. ``watched`` are the addresses that
    each snapshot in ``taken`` has counts of. Nothing where the guest was not asked (``asked``)
    to look the functions up. Raises TrialError for an address that
    it named and the model does not count.
    """
    if asked is None:
        return []
    at = {f.name: _counts(f, asked.addresses, reasons, watched, taken) for f in FUNCTIONS}
    out = [
        reading(metric, value, {"function": name, "phase": phase}, reader.source)
        for metric, reader in read_by(EachFunction)
        for name, counts in at.items()
        for phase, value in _by_phase(name, counts).items()
    ]
    for metric, counted in read_by(CountedCalls):
        parts = [_by_phase(name, at[name]) for name in counted.functions]
        if counted.interrupts:
            row = {e: files.number(e, "proc/interrupts", counted.interrupts) for e in EDGES}
            parts.append(_by_phase(counted.interrupts, row))
        for phase in PHASES:
            value = _added([part[phase] for part in parts])
            out.append(reading(metric, value, {"phase": phase}, counted.source))
    return out


def _counts(
    function: Function,
    addresses: Mapping[str, int | None],
    reasons: Mapping[str, str],
    watched: Sequence[int],
    taken: Mapping[int, Snapshot],
) -> dict[str, Value]:
    """Calls since boot at each edge."""
    symbol = next((s for s in function.symbols if addresses.get(s) is not None), None)
    if symbol is None:
        why = [reasons[s] for s in function.symbols if s in reasons]
        # The least common reason tells more: an ambiguous name before one that is not there.
        missing = Missing(why[-1] if why else f"the guest did not look {function.name} up")
        return dict.fromkeys(EDGES, missing)
    address = addresses[symbol]
    if address not in watched:
        raise TrialError(f"the iTLB model does not count {symbol}, which the guest asked for")
    place = watched.index(address)
    return {edge: _count(edge, place, taken) for edge in EDGES}


def _count(edge: str, place: int, taken: Mapping[int, Snapshot]) -> Value:
    number = last_number(edge, taken)
    if number is None:
        return Missing(f"no snapshot was taken at {edge}")
    if not taken[number].exact:
        return Missing(f"the model's watches were not armed at {edge}")
    return taken[number].watch[place]


def _by_phase(name: str, at: Mapping[str, Value]) -> dict[str, Value]:
    return {phase: difference(name, at[first], at[last]) for phase, (first, last) in PHASES.items()}


def _added(parts: Sequence[Value]) -> Value:
    total = 0
    for part in parts:
        if isinstance(part, Missing):
            return part
        total += part
    return total
