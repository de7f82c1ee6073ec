# SPDX-License-Identifier: GPL-2.0-only
"""What an x86 kernel image says about itself: boot header, release, embedded config.

Layout of the header: Documentation/x86/boot.rst of the kernel ("The Real-Mode Kernel Header").
"""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import PrerequisiteError, UserError
from harness.proc import run

SECTOR = 512
HEADER_BYTES = 0x268  # up to and including the last field read here
_MAGIC = b"HdrS"
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0x38, b"ARM\x64", "an arm64 kernel image"),
    (0x30, b"RISCV\0\0\0", "a RISC-V kernel image"),
    (4, b"zimg", "an EFI image with a packed kernel in it, as arm64 has them"),
    (0, b"\x7fELF", "an ELF file: a vmlinux, which QEMU cannot boot"),
    (0, b"\x1f\x8b", "a gzip file: an arm64 Image.gz, or a packed image"),
    (0, b"!<arch>\n", "an archive: a Debian package is named *.deb"),
)
"""Offset, bytes there, and what a file with them is; Documentation/arch/arm64/booting.rst,
Documentation/arch/riscv/boot-image-header.rst and drivers/firmware/efi/libstub/zboot-header.S."""
_BOOT_FLAG = 0xAA55
_XLF_KERNEL_64 = 1
_BTF_START = b"\x9f\xeb\x01\x00\x18\x00\x00\x00"  # magic, version, flags, length of the header
_CONFIG_START = b"IKCFG_ST"
_CONFIG_END = b"IKCFG_ED"


@dataclass(frozen=True, kw_only=True)
class BootHeader:
    """The fields of the boot header that are used; offsets and sizes in bytes."""

    protocol: int  # 0x020f is version 2.15
    setup_bytes: int  # boot sector and real-mode setup; protected-mode code follows
    code_bytes: int  # protected-mode code
    payload_offset: int  # of the packed vmlinux, from the start of the image
    payload_bytes: int  # 0 before protocol 2.08
    version_offset: int  # of the version string, from the start of the image; 0: none
    is_64bit: bool

    @property
    def image_bytes(self) -> int:
        """The size an image with this header must at least have."""
        return self.setup_bytes + self.code_bytes


def parse_header(data: bytes) -> BootHeader:
    """The boot header in the first ``HEADER_BYTES`` of an image.

    Raises ValueError saying what is wrong, without naming the file.
    """
    if len(data) < HEADER_BYTES:
        raise ValueError(f"only {len(data)} bytes long")
    if data[0x202:0x206] != _MAGIC:
        for offset, mark, title in _OTHERS:
            if data.startswith(mark, offset):
                raise ValueError(f"it is {title}")
        raise ValueError("no x86 boot header (HdrS at offset 0x202)")
    (flag,) = struct.unpack_from("<H", data, 0x1FE)
    if flag != _BOOT_FLAG:
        raise ValueError(f"boot flag is {flag:#06x}, not {_BOOT_FLAG:#06x}")
    (protocol,) = struct.unpack_from("<H", data, 0x206)
    if protocol < 0x0200 or not data[0x211] & 1:
        raise ValueError(f"boot protocol {protocol >> 8}.{protocol & 0xFF:02} is not a bzImage")
    (paragraphs,) = struct.unpack_from("<I", data, 0x1F4)
    setup_bytes = ((data[0x1F1] or 4) + 1) * SECTOR
    (version,) = struct.unpack_from("<H", data, 0x20E)
    payload_offset, payload_bytes = (
        struct.unpack_from("<II", data, 0x248) if protocol >= 0x0208 else (0, 0)
    )
    (xloadflags,) = struct.unpack_from("<H", data, 0x236) if protocol >= 0x020C else (0,)
    return BootHeader(
        protocol=protocol,
        setup_bytes=setup_bytes,
        code_bytes=paragraphs * 16,
        payload_offset=setup_bytes + payload_offset,
        payload_bytes=payload_bytes,
        version_offset=version + 0x200 if version else 0,
        is_64bit=bool(xloadflags & _XLF_KERNEL_64),
    )


@dataclass(frozen=True, kw_only=True)
class ImageInfo:
    """A valid image: what is known without booting it."""

    path: Path
    header: BootHeader
    release: str  # uname -r; "" when the image does not say


def inspect(path: Path, remedy: str = "give a bzImage built for x86_64") -> ImageInfo:
    """Check that ``path`` is a whole x86_64 bzImage.

    Raises UserError naming the file and what is wrong with it.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(64 * 1024)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})", remedy) from error
    try:
        header = parse_header(head[:HEADER_BYTES])
    except ValueError as error:
        raise UserError(f"{path} is not an x86_64 kernel image: {error}", remedy) from error
    if not header.is_64bit:
        raise UserError(f"{path}: a 32-bit kernel image", remedy)
    if size < header.image_bytes:
        raise UserError(
            f"{path} is truncated: {size} of {header.image_bytes} bytes", "copy or build it again"
        )
    return ImageInfo(path=path, header=header, release=release(head, header.version_offset))


def release(head: bytes, offset: int) -> str:
    """The first word of the version string at ``offset``; "" where there is none."""
    text = head[offset : offset + 256].split(b"\0")[0] if offset else b""
    words = text.decode("ascii", errors="replace").split()
    return words[0] if words else ""


MOST_UNPACKED = 1 << 30
"""Bytes of an unpacked kernel that are read, at most."""


def _inflate(data: bytes) -> bytes:
    return zlib.decompressobj(wbits=47).decompress(data, MOST_UNPACKED)


def _unxz(data: bytes) -> bytes:
    return lzma.LZMADecompressor().decompress(data, MOST_UNPACKED)


def _unbz2(data: bytes) -> bytes:
    return bz2.BZ2Decompressor().decompress(data, MOST_UNPACKED)


_UNPACKERS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"\x1f\x8b", _inflate),
    (b"\xfd7zXZ\0", _unxz),
    (b"]\0\0\0", _unxz),
    (b"BZh", _unbz2),
)
"""Start of the payload -> how to unpack it; the others have no decoder in the library."""

_TOOLS: tuple[tuple[bytes, tuple[str, ...]], ...] = (
    (b"\x28\xb5\x2f\xfd", ("zstd", "-dqf", "-o")),
    (b"\x02\x21\x4c\x18", ("lz4", "-dqf")),
)
"""Start of the payload -> the command that unpacks it; see ``unpack``."""


def unpacker_of(payload: bytes) -> Callable[[bytes], bytes] | tuple[str, ...] | None:
    """How to unpack ``payload``: a function, a command line, or None when unknown."""
    for start, function in _UNPACKERS:
        if payload.startswith(start):
            return function
    for start, command in _TOOLS:
        if payload.startswith(start):
            return command
    return None


def unpack(image: ImageInfo, folder: Path) -> bytes | None:
    """The unpacked vmlinux of ``image``, or None when it cannot be unpacked.

    ``folder`` is for the files of an external decoder. The build appends the unpacked
    size, four bytes, to the payload, which such a decoder would take for garbage.
    """
    header = image.header
    with image.path.open("rb") as file:
        file.seek(header.payload_offset)
        payload = file.read(header.payload_bytes)
    how = unpacker_of(payload)
    if how is None:
        return None
    if callable(how):
        try:
            return how(payload)
        except (zlib.error, lzma.LZMAError, OSError, EOFError):
            return None
    packed, plain = folder / "packed", folder / "plain"
    packed.write_bytes(payload[:-4])
    names = [str(plain), str(packed)] if how[-1] == "-o" else [str(packed), str(plain)]
    try:
        done = run([*how, *names], check=False)
    except PrerequisiteError:
        return None
    return plain.read_bytes() if done.returncode == 0 and plain.is_file() else None


def find_config(vmlinux: bytes) -> str | None:
    """The .config embedded in an unpacked kernel (CONFIG_IKCONFIG), or None."""
    start = vmlinux.find(_CONFIG_START)
    end = vmlinux.find(_CONFIG_END, start)
    if start < 0 or end < 0:
        return None
    try:
        return _inflate(vmlinux[start + len(_CONFIG_START) : end]).decode()
    except (zlib.error, UnicodeDecodeError):
        return None


def find_btf(vmlinux: bytes) -> bytes | None:
    """An unpacked kernel from the types of its own (BTF) on, or None where it has none."""
    start = vmlinux.find(_BTF_START)
    return vmlinux[start:] if start >= 0 else None
