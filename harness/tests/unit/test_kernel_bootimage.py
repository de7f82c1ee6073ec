# SPDX-License-Identifier: GPL-2.0-only
"""Boot header, truncated images, embedded configuration."""

import gzip
import lzma
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.kernel import bootimage

CONFIG = "CONFIG_BPF_SYSCALL=y\n# CONFIG_BPF_JIT is not set\n"


def vmlinux(config: str = CONFIG) -> bytes:
    """An unpacked kernel as far as this program looks into one."""
    packed = gzip.compress(config.encode(), mtime=0)
    return b"\x7fELF" + bytes(5000) + b"IKCFG_ST" + packed + b"IKCFG_ED" + bytes(500)


def bzimage(
    payload: bytes = b"",
    *,
    protocol: int = 0x020F,
    xloadflags: int = 1,
    loadflags: int = 1,
    release: str = "6.1.192 (bench@execmem-bench) #1 SMP",
    setup_sects: int = 3,
) -> bytes:
    """A small image with a correct header around ``payload``."""
    setup = bytearray((setup_sects + 1) * 512)
    setup[0x1F1] = setup_sects
    struct.pack_into("<H", setup, 0x1FE, 0xAA55)
    setup[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", setup, 0x206, protocol)
    struct.pack_into("<H", setup, 0x20E, 0x300 - 0x200)
    setup[0x300 : 0x300 + len(release) + 1] = release.encode() + b"\0"
    setup[0x211] = loadflags
    struct.pack_into("<H", setup, 0x236, xloadflags)
    code = bytes(256) + payload
    code += bytes(-len(code) % 16)
    struct.pack_into("<I", setup, 0x1F4, len(code) // 16)
    struct.pack_into("<II", setup, 0x248, 256, len(payload))
    return bytes(setup) + code


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "bzImage"
    path.write_bytes(data)
    return path


def test_a_whole_image(tmp_path: Path) -> None:
    data = bzimage(b"x" * 1000)
    info = bootimage.inspect(write(tmp_path, data))
    assert info.release == "6.1.192"
    assert info.header.image_bytes == len(data)
    assert info.header.payload_bytes == 1000
    assert data[info.header.payload_offset :].startswith(b"xxxx")


def test_bytes_after_the_image_do_no_harm(tmp_path: Path) -> None:
    bootimage.inspect(write(tmp_path, bzimage() + b"a signature"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(b"", "only 0 bytes long", id="empty"),
        pytest.param(b"root:x:0:0:" * 100, "HdrS", id="text"),
        pytest.param(b"\x7fELF" + bytes(4096), "an ELF file", id="vmlinux"),
        pytest.param(bzimage(loadflags=0), "is not a bzImage", id="zImage"),
        pytest.param(bzimage(protocol=0x0105), "is not a bzImage", id="protocol 1.05"),
        pytest.param(bzimage(xloadflags=0), "32-bit", id="32-bit"),
        pytest.param(bzimage(protocol=0x020B), "32-bit", id="protocol without xloadflags"),
        pytest.param(bzimage(b"x" * 999)[:-1], "truncated", id="last byte missing"),
        pytest.param(bzimage(b"x" * 999)[:1024], "truncated", id="setup only"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(tmp_path: Path, data: bytes, says: str) -> None:
    path = write(tmp_path, data)
    with pytest.raises(UserError) as caught:
        bootimage.inspect(path, "give another")
    assert str(path) in caught.value.message
    assert says in caught.value.message
    assert "\n" not in str(caught.value)
    assert caught.value.remedy


def test_unreadable_and_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        bootimage.inspect(tmp_path / "gone")
    with pytest.raises(UserError, match="directory"):
        bootimage.inspect(tmp_path)


@given(st.binary(max_size=2048))
def test_the_header_parser_raises_nothing_else(data: bytes) -> None:
    try:
        header = bootimage.parse_header(data)
    except ValueError:
        return
    assert header.image_bytes >= 512


@given(st.integers(min_value=0, max_value=3000))
def test_every_cut_of_an_image_is_refused(tmp_path_factory: pytest.TempPathFactory, n: int) -> None:
    data = bzimage(b"y" * 500)
    path = tmp_path_factory.mktemp("cut") / "bzImage"
    path.write_bytes(data[: min(n, len(data) - 1)])
    with pytest.raises(UserError):
        bootimage.inspect(path)


def with_size(packed: bytes, plain: bytes) -> bytes:
    """The build appends the unpacked size to all payloads but gzip's."""
    return packed + struct.pack("<I", len(plain))


def pack_with(tool: list[str], plain: bytes) -> bytes:
    try:
        return subprocess.run(tool, input=plain, capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip(f"{tool[0]} is not installed")


@pytest.mark.parametrize("kind", ["gzip", "xz", "zstd", "lz4"])
def test_the_embedded_config_is_found(tmp_path: Path, kind: str) -> None:
    plain = vmlinux()
    if kind == "gzip":
        payload = gzip.compress(plain, mtime=0)
    elif kind == "xz":
        payload = with_size(lzma.compress(plain, check=lzma.CHECK_CRC32), plain)
    elif kind == "zstd":
        payload = with_size(pack_with(["zstd", "-qc"], plain), plain)
    else:
        payload = with_size(pack_with(["lz4", "-lqc", "-", "-"], plain), plain)
    info = bootimage.inspect(write(tmp_path, bzimage(payload)))
    (tmp_path / "scratch").mkdir()
    unpacked = bootimage.unpack(info, tmp_path / "scratch")
    assert unpacked == plain
    assert bootimage.find_config(unpacked) == CONFIG


@pytest.mark.parametrize("payload", [b"", b"?unknown", b"\x1f\x8bdamaged", b"\xfd7zXZ\0damaged"])
def test_a_payload_that_cannot_be_unpacked_is_unknown(tmp_path: Path, payload: bytes) -> None:
    info = bootimage.inspect(write(tmp_path, bzimage(payload)))
    assert bootimage.unpack(info, tmp_path) is None


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"IKCFG_ST",
        b"IKCFG_STxxIKCFG_ED",
        b"IKCFG_ST" + zlib.compress(b"\xff\xfe") + b"IKCFG_ED",
    ],
)
def test_no_embedded_config(plain: bytes) -> None:
    assert bootimage.find_config(plain) is None
