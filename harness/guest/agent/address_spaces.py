# SPDX-License-Identifier: GPL-2.0-only
"""Where the kernel keeps its own record of address spaces, for the model.

``cpu_tlbstate`` is a structure of each CPU; its ``ctxs[0]`` has the id and the generation of the
context that is loaded (arch/x86/include/asm/tlbflush.h). Addresses are in /proc/kallsyms, which
has data only with CONFIG_KALLSYMS_ALL; offsets are in the kernel's BTF.
"""

import struct
from collections.abc import Collection
from dataclasses import dataclass

KALLSYMS = "/proc/kallsyms"
BTF = "/sys/kernel/btf/vmlinux"

STATE, AREAS, SWITCH = "cpu_tlbstate", "__per_cpu_offset", "switch_mm_irqs_off"

HEADER = struct.Struct("<HBBIIIII")
MAGIC = 0xEB9F
TYPE = struct.Struct("<III")  # name, vlen and kind, size
MEMBER = struct.Struct("<III")  # name, type, offset in bits
STRUCT_KIND = 4


class NotKnown(Exception):
    """The kernel does not say."""


@dataclass(frozen=True)
class Places:
    """Addresses. ``context`` is of ``ctxs[0]``, to which each CPU adds its own offset in
    ``areas``; 0 in ``areas``: there is one CPU and nothing to add."""

    context: int
    areas: int
    switch: int


def places(kallsyms: str = KALLSYMS, btf: str = BTF) -> Places:
    """Where the record is. Raises NotKnown with the reason when the kernel does not say."""
    known = addresses((STATE, AREAS, SWITCH), kallsyms)
    for name in (STATE, SWITCH):
        if name not in known:
            raise NotKnown(f"/proc/kallsyms has no {name}: CONFIG_KALLSYMS_ALL is not set")
    if not known[SWITCH]:
        raise NotKnown("kptr_restrict hides addresses")
    try:
        with open(btf, "rb") as file:  # noqa: PTH123
            data = file.read()
    except OSError:
        raise NotKnown("the kernel has no BTF: CONFIG_DEBUG_INFO_BTF is not set") from None
    return Places(known[STATE] + contexts_offset(data), known.get(AREAS, 0), known[SWITCH])


def contexts_offset(btf: bytes) -> int:
    """Offset of ``ctxs`` in ``struct tlb_state``. Raises NotKnown, also where a context is not an
    id and a generation."""
    if (member(btf, "tlb_context", "ctx_id"), member(btf, "tlb_context", "tlb_gen")) != (0, 8):
        raise NotKnown("struct tlb_context is not an id and a generation")
    return member(btf, "tlb_state", "ctxs")


def addresses(names: Collection[str], path: str = KALLSYMS) -> dict[str, int]:
    """Address of each of ``names`` that the kernel image has, of whatever type."""
    wanted = {name.encode() for name in names}
    known: dict[str, int] = {}
    with open(path, "rb") as file:  # noqa: PTH123
        for line in file:
            fields = line.split()
            if len(fields) == 3 and fields[2] in wanted:
                known[fields[2].decode()] = int(fields[0], 16)
    return known


def member(btf: bytes, structure: str, name: str) -> int:
    """Offset in bytes of the member ``name`` of ``structure``, from BTF. Raises NotKnown.

    Types are of many lengths and come by the ten thousand, so the structure is looked for by
    its name; what has that name, the kind of a structure and such a member is it.
    """
    try:
        magic, _, _, length, types, types_size, texts, texts_size = HEADER.unpack_from(btf)
    except struct.error:
        raise NotKnown("the kernel's BTF is cut short") from None
    if magic != MAGIC:
        raise NotKnown("the kernel's BTF is of another byte order or format")
    strings = btf[length + texts : length + texts + texts_size]
    body = btf[length + types : length + types + types_size]
    wanted = struct.pack("<I", _text(strings, structure))
    member_name = _text(strings, name)
    at = body.find(wanted)
    while at >= 0:
        if at % 4 == 0 and at + TYPE.size <= len(body):
            _, info, _ = TYPE.unpack_from(body, at)
            count = info & 0xFFFF
            end = at + TYPE.size + count * MEMBER.size
            if info >> 24 & 0x1F == STRUCT_KIND and end <= len(body):
                for text, _, bits in MEMBER.iter_unpack(body[at + TYPE.size : end]):
                    if text == member_name:
                        # With a flag in the type, the highest byte is a bit field's width.
                        return int(bits & 0xFFFFFF if info >> 31 else bits) // 8
        at = body.find(wanted, at + 1)
    raise NotKnown(f"the kernel's BTF has no {structure}.{name}")


def _text(strings: bytes, text: str) -> int:
    """Where ``text`` stands in the section of strings. Raises NotKnown."""
    at = strings.find(b"\0" + text.encode() + b"\0")
    if at < 0:
        raise NotKnown(f"the kernel's BTF has no {text}")
    return at + 1
