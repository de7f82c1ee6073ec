# SPDX-License-Identifier: GPL-2.0-only
"""Module files as the kernel lays them out; real ones are in the VM tests."""

import gzip
import lzma
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import DataError
from harness.kernel import elf
from harness.kernel.module_anatomy import PAGE, Anatomy, Part, anatomy, layout
from harness.kernel.module_sections import ModuleFile, Section, read

SOURCE = """
#define IN(name) __attribute__((section(name), used))
int data = 1;
const char ro[5000] = "x";
int bss[3000];
IN(".data..ro_after_init") int later = 2;
IN(".data..percpu") int each = 3;
IN(".modinfo") const char note[] = "license=GPL";
IN(".init.text") int begin(void) { return data; }
int text(void) { return later; }
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An object with the sections of a module."""
    folder = tmp_path_factory.mktemp("module")
    (folder / "a.c").write_text(SOURCE)
    argv = ["gcc", "-O1", "-fcf-protection=none", "-fno-asynchronous-unwind-tables"]
    subprocess.run([*argv, "-c", "-o", "a-b.ko", "a.c"], cwd=folder, check=True)
    return folder / "a-b.ko"


def part_of(found: Anatomy, part: Part) -> tuple[int, int]:
    return next((one.bytes, one.pages) for one in found.parts if one.part is part)


def test_sections_of_an_object_by_what_they_may_do(compiled: Path) -> None:
    module = read(compiled)
    assert (module.name, module.per_cpu) == ("a_b", 4)
    sizes = layout(module)
    assert sizes[Part.AFTER_INIT] == 4
    assert 5000 <= sizes[Part.RODATA] < 5100
    assert 12004 <= sizes[Part.DATA] < 12100
    assert 0 < sizes[Part.TEXT] < 100
    assert 0 < sizes[Part.INIT_TEXT] < 100
    # An entry of 24 bytes, a type of one, and the name: what is not of .init, and the first.
    kept = ("", "data", "ro", "bss", "later", "text")
    assert sizes[Part.SYMBOLS] >= sum(25 + len(name) + 1 for name in kept)
    assert elf.section(compiled, ".modinfo") == b"license=GPL\0"
    assert elf.section(compiled, ".no") is None


@pytest.mark.parametrize(("suffix", "pack"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_compressed_modules(compiled: Path, tmp_path: Path, suffix: str, pack: object) -> None:
    assert callable(pack)
    path = tmp_path / f"a-b.ko{suffix}"
    path.write_bytes(pack(compiled.read_bytes()))
    assert read(path) == read(compiled)
    path.write_bytes(b"damaged")
    with pytest.raises(DataError, match="is not a module"):
        read(path)


def test_a_module_of_another_machine(compiled: Path, tmp_path: Path) -> None:
    image = bytearray(compiled.read_bytes())
    image[18:20] = (183).to_bytes(2, "little")  # EM_AARCH64
    (tmp_path / "a.ko").write_bytes(image)
    with pytest.raises(DataError, match="for EM_AARCH64, not x86-64"):
        read(tmp_path / "a.ko")


def test_a_compression_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.ko\.zst: compressed as \.zst"):
        read(tmp_path / "a.ko.zst")


def test_sections_are_aligned_within_a_part_and_pages_are_each_modules_own() -> None:
    text = Section(name=".text", size=1, align=16, executable=True)
    more = Section(name=".text.unlikely", size=PAGE, align=4096, executable=True)
    module = ModuleFile(name="a", sections=(text, more), symbol_bytes=0)
    assert layout(module)[Part.TEXT] == 2 * PAGE
    found = anatomy([module, ModuleFile(name="b", sections=(text,), symbol_bytes=10)])
    assert part_of(found, Part.TEXT) == (2 * PAGE + 1, 3)
    (of_text,) = (one for one in found.parts if one.part is Part.TEXT)
    assert (of_text.packed_pages, of_text.large_pages) == (3, 1)
    assert (of_text.median, of_text.largest, of_text.modules) == (1, "a", 2)
    assert part_of(found, Part.SYMBOLS) == (10, 1)
    assert (found.total("bytes"), found.total("pages")) == (2 * PAGE + 11, 4)


def test_what_a_section_is_in_the_order_of_the_kernels_masks() -> None:
    cases = {
        Part.AFTER_INIT: Section(name="__jump_table", size=8, align=8, writable=True),
        Part.INIT_DATA: Section(name=".init.data", size=8, align=8, writable=True),
        Part.INIT_RODATA: Section(name=".init.rodata", size=8, align=8),
        Part.RODATA: Section(name="__ksymtab", size=8, align=8),
        Part.DATA: Section(name=".bss", size=8, align=8, writable=True),
        Part.TEXT: Section(name=".exit.text", size=8, align=8, executable=True),
        Part.INIT_TEXT: Section(name=".init.text", size=8, align=8, executable=True),
    }
    for part, section in cases.items():
        sizes = layout(ModuleFile(name="m", sections=(section,), symbol_bytes=0))
        assert [p for p, size in sizes.items() if size] == [part]


def test_no_modules_at_all() -> None:
    found = anatomy([])
    assert (found.modules, found.total("bytes"), found.total("pages")) == (0, 0, 0)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_read(compiled: Path, data: st.DataObject) -> None:
    whole = bytearray(compiled.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    path = compiled.with_name("damaged.ko")
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        layout(read(path))
    except DataError as error:
        assert "\n" not in error.message
