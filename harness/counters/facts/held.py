# SPDX-License-Identifier: GPL-2.0-only
"""Memory that the allocators of dynamic kernel text have taken, used or not."""

from harness.counters.facts.files import Files, Missing, Value
from harness.counters.facts.memory import BPF_TEXT_OWNERS, SHARED_OWNER, TEXT_OWNERS

VMALLOC = "proc/vmallocinfo"
STATISTICS = "execmem/stats"


def by_bpf(files: Files, edge: str) -> Value:
    """Bytes held for BPF text at ``edge``: by our series' own statistics, else by caller.

    Unknown on kernels whose own execmem serves every kind of text from one place.
    """
    if _has_statistics(files, edge):
        return _statistics(files, edge)
    shared = files.number(edge, VMALLOC, SHARED_OWNER)
    if not isinstance(shared, Missing) and shared:
        return Missing(
            f"execmem_alloc holds {shared} bytes for BPF, modules, kprobes and ftrace alike: "
            "see text.held_bytes"
        )
    return _sum(files, edge, BPF_TEXT_OWNERS)


def by_all(files: Files, edge: str) -> Value:
    """Bytes held for all dynamic text at ``edge``; with modules their data too, which older
    kernels allocate in one piece with it."""
    if not _has_statistics(files, edge):
        return _sum(files, edge, TEXT_OWNERS)
    own = _statistics(files, edge)
    others = (o for o in TEXT_OWNERS if o not in (*BPF_TEXT_OWNERS, SHARED_OWNER))
    by_others = _sum(files, edge, tuple(others))
    if isinstance(own, Missing):
        return own
    return by_others if isinstance(by_others, Missing) else own + by_others


BY_KEY = {"bpf": by_bpf, "all": by_all}
"""By the key that metrics have for them."""


def _has_statistics(files: Files, edge: str) -> bool:
    return isinstance(files.raw(edge, STATISTICS), bytes)


def _statistics(files: Files, edge: str) -> Value:
    used, free, dead = (
        files.number(edge, STATISTICS, f"bytes_{kind}") for kind in ("used", "free", "dead")
    )
    if isinstance(used, Missing):
        return used
    if isinstance(free, Missing):
        return free
    # Kernels of series before bytes_dead keep such memory among what is free.
    return used + free + (0 if isinstance(dead, Missing) else dead)


def _sum(files: Files, edge: str, owners: tuple[str, ...]) -> Value:
    total = 0
    for owner in owners:
        part = files.number(edge, VMALLOC, owner)
        if isinstance(part, Missing):
            return part
        total += part
    return total
