# SPDX-License-Identifier: GPL-2.0-only
"""Where the kernel's record of address spaces is: from symbols and BTF made up here."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.guest.agent import address_spaces
from harness.guest.agent.address_spaces import NotKnown, Places, member, places

KALLSYMS = """\
000000000002a840 A cpu_tlbstate
ffffffff81c00000 R __per_cpu_offset
ffffffff81067340 T switch_mm_irqs_off
ffffffffc0001000 t switch_mm_irqs_off\t[module]
"""
INT, STRUCT = 1, 4
Members = tuple[tuple[str, int], ...]  # name and offset in bits
STATE: tuple[tuple[str, Members], ...] = (
    ("tlb_context", (("ctx_id", 0), ("tlb_gen", 64))),
    ("tlb_state", (("loaded_mm", 0), ("next_asid", 144), ("ctxs", 256))),
)


def btf(structures: tuple[tuple[str, Members], ...] = STATE, *, bit_fields: bool = False) -> bytes:
    """Type information with an integer and ``structures``."""
    texts = bytearray(b"\0int\0")

    def text(name: str) -> int:
        texts.extend(name.encode() + b"\0")
        return len(texts) - len(name) - 1

    types = struct.pack("<IIII", 1, INT << 24, 8, 64)
    for name, members in structures:
        types += struct.pack("<III", text(name), STRUCT << 24 | len(members) | bit_fields << 31, 64)
        for one, bits in members:
            types += struct.pack("<III", text(one), 1, bits | (16 << 24 if bit_fields else 0))
    head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(texts))
    return head + types + bytes(texts)


def read(folder: Path, symbols: str = KALLSYMS, types: bytes | None = None) -> Places:
    (folder / "kallsyms").write_text(symbols)
    if types is not None:
        (folder / "btf").write_bytes(types)
    return places(str(folder / "kallsyms"), str(folder / "btf"))


def test_where_it_is(tmp_path: Path) -> None:
    assert read(tmp_path, types=btf()) == Places(
        0x2A840 + 32, 0xFFFFFFFF81C00000, 0xFFFFFFFF81067340
    )


def test_a_kernel_for_one_cpu_has_no_areas(tmp_path: Path) -> None:
    symbols = "".join(line for line in KALLSYMS.splitlines(True) if "per_cpu" not in line)
    assert read(tmp_path, symbols, btf()).areas == 0


@pytest.mark.parametrize(
    ("symbols", "types", "why"),
    [
        ("", btf(), "no cpu_tlbstate: CONFIG_KALLSYMS_ALL"),
        (KALLSYMS.replace(" T switch_mm", " T other"), btf(), "no switch_mm_irqs_off"),
        (KALLSYMS.replace("ffffffff81067340", "0000000000000000"), btf(), "kptr_restrict"),
        (KALLSYMS, None, "no BTF: CONFIG_DEBUG_INFO_BTF"),
        (KALLSYMS, b"", "cut short"),
        (KALLSYMS, b"\xeb\x9f" + btf()[2:], "another byte order"),
        (KALLSYMS, btf(STATE[:1]), "no tlb_state"),
        (KALLSYMS, btf((STATE[0], ("tlb_state", (("loaded_mm", 0),)))), "no ctxs"),
        (KALLSYMS, btf((("tlb_context", (("ctx_id", 64), ("tlb_gen", 0))), STATE[1])), "not an id"),
    ],
)
def test_a_kernel_that_does_not_say(
    tmp_path: Path, symbols: str, types: bytes | None, why: str
) -> None:
    with pytest.raises(NotKnown, match=why):
        read(tmp_path, symbols, types)


def test_bit_fields_have_their_width_in_the_offset() -> None:
    assert member(btf(bit_fields=True), "tlb_state", "ctxs") == 32


def test_other_words_that_look_like_the_name_are_passed_over() -> None:
    """A member's name, and the name of a type without such a member."""
    others = (("other", (("tlb_state", 8), ("x", 16))), ("tlb_state", (("y", 0),)))
    content = btf((*others, *STATE))
    with pytest.raises(NotKnown):
        member(content, "tlb_state", "nosuch")


@given(st.binary(max_size=200), st.integers(0, 300))
def test_damaged_types_are_not_known(junk: bytes, cut: int) -> None:
    for content in (junk, btf()[:cut], btf()[:cut] + junk):
        try:
            assert member(content, "tlb_state", "ctxs") >= 0
        except NotKnown:
            continue


def test_an_address_of_a_module_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "kallsyms"
    path.write_text(KALLSYMS)
    known = address_spaces.addresses(["switch_mm_irqs_off"], str(path))
    assert known == {"switch_mm_irqs_off": 0xFFFFFFFF81067340}
