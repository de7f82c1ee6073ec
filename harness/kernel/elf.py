# SPDX-License-Identifier: GPL-2.0-only
"""One section out of a 64-bit little-endian ELF file; layout as in elf(5)."""

import struct
from pathlib import Path

_SECTION = struct.Struct("<IIQQQQIIQQ")


def section(path: Path, name: str) -> bytes | None:
    """The content of the section ``name`` of ``path``, or None when it has none.

    Raises ValueError when the file is no such ELF file, OSError when it cannot be read.
    """
    with path.open("rb") as file:
        ident = file.read(64)
        if len(ident) < 64 or ident[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path} is not a 64-bit little-endian ELF file")
        (table,) = struct.unpack_from("<Q", ident, 0x28)
        size, count, names_index = struct.unpack_from("<HHH", ident, 0x3A)
        if size != _SECTION.size or names_index >= count:
            raise ValueError(f"{path}: damaged section table")
        file.seek(table)
        raw = file.read(size * count)
        if len(raw) < size * count:
            raise ValueError(f"{path}: truncated section table")
        headers = [_SECTION.unpack_from(raw, i * size) for i in range(count)]

        def content(index: int) -> bytes:
            file.seek(headers[index][4])
            return file.read(headers[index][5])

        names = content(names_index)
        for index, header in enumerate(headers):
            name_bytes = names[header[0] : names.find(b"\0", header[0])]
            if name_bytes == name.encode():
                return content(index)
    return None
