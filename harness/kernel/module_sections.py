# SPDX-License-Identifier: GPL-2.0-only
"""The sections of a module file that the kernel loads, and the symbols that it keeps."""

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from harness.errors import DataError

OPENERS: dict[str, Callable[[bytes], bytes]] = {
    ".ko": bytes,
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
}
"""How a module file is read, by its suffix."""

NOT_LOADED = (".modinfo", "__versions", ".data..percpu")
"""Read from the file, or put where every CPU has a copy."""
AFTER_INIT = (".data..ro_after_init", "__jump_table")
"""Read only once the module has begun."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section that gets memory when the module is loaded. ``size`` and ``align`` in bytes."""

    name: str
    size: int
    align: int
    executable: bool = False
    writable: bool = False

    @property
    def until_init(self) -> bool:
        """Whether it is given back when the module has begun."""
        return self.name.startswith(".init")

    @property
    def after_init(self) -> bool:
        """Whether it is made read only when the module has begun."""
        return self.name in AFTER_INIT


@dataclass(frozen=True, kw_only=True)
class ModuleFile:
    """What a module takes. ``per_cpu`` in bytes a CPU."""

    name: str
    sections: tuple[Section, ...]  # in the order of the file
    symbol_bytes: int  # symbols that stay, with their names
    per_cpu: int = 0


def read(path: Path) -> ModuleFile:
    """The module in ``path``, which may be compressed.

    Raises DataError for a file that is no module of x86-64, or is compressed in a way that this
    program cannot undo.
    """
    opener = OPENERS.get(path.suffix)
    if opener is None:
        raise DataError(
            f"{path}: compressed as {path.suffix}, which is not known here",
            "give a kernel with modules that are not compressed, or with gzip or xz",
        )
    try:
        return parse(opener(path.read_bytes()), path)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path} is not a module: {error}") from error


def parse(data: bytes, path: Path) -> ModuleFile:
    """The module in ``data``, unpacked from ``path``. Raises DataError for what is none."""
    name = path.name.partition(".ko")[0].replace("-", "_")
    try:
        elf = ELFFile(BytesIO(data))
        if elf["e_machine"] != "EM_X86_64":
            raise ValueError(f"it is for {elf['e_machine']}, not x86-64")
        return _module(elf, name)
    except Exception as error:  # whatever pyelftools makes of damage
        raise DataError(f"{path} is not a module: {error}") from error


def _module(elf: Any, name: str) -> ModuleFile:
    headers = [(section.name, section.header) for section in elf.iter_sections()]
    loaded = [
        Section(
            name=section_name,
            size=header["sh_size"],
            align=max(1, header["sh_addralign"]),
            executable=bool(header["sh_flags"] & SH_FLAGS.SHF_EXECINSTR),
            writable=bool(header["sh_flags"] & SH_FLAGS.SHF_WRITE),
        )
        for section_name, header in headers
        if header["sh_flags"] & SH_FLAGS.SHF_ALLOC and section_name not in NOT_LOADED
    ]
    return ModuleFile(
        name=name,
        sections=tuple(loaded),
        symbol_bytes=sum(_kept_symbols(elf, headers)),
        per_cpu=sum(h["sh_size"] for n, h in headers if n == ".data..percpu"),
    )


def _kept_symbols(elf: Any, headers: list[tuple[str, Any]]) -> Iterator[int]:
    """Bytes of each symbol that stays when the module has begun: its entry, its name, its type.

    Linux keeps those of sections that stay, and the first (``is_core_symbol``, ``layout_symtab``
    with CONFIG_KALLSYMS_ALL).
    """
    table = elf.get_section_by_name(".symtab")
    if table is None:
        return
    stays = [
        bool(header["sh_flags"] & SH_FLAGS.SHF_ALLOC)
        and name not in (".modinfo", "__versions")
        and not name.startswith(".init")
        for name, header in headers
    ]
    entry = table["sh_entsize"]
    for number, symbol in enumerate(table.iter_symbols()):
        place = symbol["st_shndx"]
        inside = isinstance(place, int) and place < len(stays) and stays[place]
        if number == 0 or (inside and symbol["st_name"]):
            yield entry + len(symbol.name.encode()) + 1 + 1
