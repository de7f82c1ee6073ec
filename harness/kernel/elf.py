# SPDX-License-Identifier: GPL-2.0-only
"""One section out of an ELF file."""

from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile


def section(path: Path, name: str) -> bytes | None:
    """The content of the section ``name`` of ``path``, or None when it has none.

    Raises ValueError when the file is no ELF file, OSError when it cannot be read.
    """
    with path.open("rb") as file:
        try:
            found = ELFFile(file).get_section_by_name(name)
        except ELFError as error:
            raise ValueError(f"{path} is not an ELF file: {error}") from error
        return None if found is None else bytes(found.data())
