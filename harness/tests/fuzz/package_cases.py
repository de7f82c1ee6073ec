# SPDX-License-Identifier: GPL-2.0-only
"""Damaged kernels of others: images, packages, configurations, modules."""

import io
import os
import random
import struct
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from harness import cache
from harness.errors import BenchError
from harness.kernel import bootimage, kconfig, module_anatomy, module_sections, package
from harness.tests.fuzz.mutations import damaged_bytes, damaged_text
from harness.tests.fuzz.outcome import Outcome, count, one_line
from harness.tests.unit.test_kernel_bootimage import CONFIG, bzimage, vmlinux
from harness.tests.unit.test_kernel_package import deb

RELEASE = "6.1.192"
FILES = {
    f"./boot/vmlinuz-{RELEASE}": bzimage(b"x"),
    f"./boot/config-{RELEASE}": CONFIG.encode(),
    f"./usr/lib/modules/{RELEASE}/kernel/one.ko": b"\x7fELF none",
    "./usr/share/doc/linux/copyright": b"",
}
"""Of a small package."""


def images(seed: int, cases: int) -> Outcome:
    """Boot headers, and kernels with their configuration in them."""
    given = [bzimage(vmlinux(), protocol=protocol) for protocol in (0x020F, 0x0208, 0x0204)]
    kernel = vmlinux()

    def case(rng: random.Random) -> bool:
        bootimage.find_config(damaged_bytes(rng, kernel))
        bootimage.find_btf(damaged_bytes(rng, kernel))
        image = damaged_bytes(rng, rng.choice(given))
        try:
            header = bootimage.parse_header(image[: bootimage.HEADER_BYTES])
        except ValueError as error:
            one_line(error)
            return False
        assert "\n" not in bootimage.release(image, header.version_offset)
        return True

    return count(seed, cases, case)


def archives(seed: int, cases: int) -> Outcome:
    """The files of a package as tar has them; a place is below the root, whatever the name."""
    given = [_tar(form) for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]

    def case(rng: random.Random) -> bool:
        data = damaged_bytes(rng, rng.choice(given))
        try:
            package.for_each_file(io.BytesIO(data), inside)
        except BenchError as error:
            one_line(error)
            return False
        return True

    return count(seed, cases, case)


def inside(place: str, content: IO[bytes]) -> None:
    """A file goes below the root, and can be read."""
    root = Path("/a/root")
    target = Path(os.path.normpath(root / place))
    assert target.is_relative_to(root) and target != root, place
    content.read(1 << 20)


def _tar(form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for kind, name in ((tarfile.SYMTYPE, "./lib"), (tarfile.LNKTYPE, "./boot/x")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "../../etc/passwd"
            tar.addfile(link)
    return out.getvalue()


def configurations(seed: int, cases: int) -> Outcome:
    """Fragments of Kconfig, and what is asked of them."""
    lines = [*CONFIG.splitlines(True), 'CONFIG_LOCALVERSION="-x"\n', "\n", "# a comment\n"]
    text = "".join(lines * 3)

    def case(rng: random.Random) -> bool:
        changed = damaged_text(rng, text, (text,)).encode(errors="replace").decode()
        try:
            options = kconfig.parse(changed.splitlines(), "a file")
        except BenchError as error:
            one_line(error)
            return False
        kconfig.render(options)
        kconfig.digest(options)
        kconfig.lacking(options)
        return True

    return count(seed, cases, case)


def modules(folder: Path) -> Callable[[int, int], Outcome]:
    """A module that gcc made, in ``folder``, with its tables damaged."""
    source, path = folder / "a.c", folder / "a.ko"
    source.write_text("int data = 1; int text(void) { return data; }\n")
    subprocess.run(["gcc", "-O1", "-g0", "-c", "-o", path, source], check=True)
    whole = path.read_bytes()
    (sections,) = struct.unpack_from("<Q", whole, 0x28)

    def case(rng: random.Random) -> bool:
        head, tables = whole[:sections], whole[sections:]
        if rng.random() < 0.5:
            data = head + damaged_bytes(rng, tables)
        else:
            data = damaged_bytes(rng, whole)
        try:
            module_anatomy.layout(module_sections.parse(data, path))
        except BenchError as error:
            one_line(error)
            return False
        return True

    return lambda seed, cases: count(seed, cases, case)


def packages(folder: Path) -> Callable[[int, int], Outcome]:
    """Packages that dpkg-deb made, damaged, and unpacked into a cache in ``folder``."""
    whole = deb(folder / "p", {name[2:]: data for name, data in FILES.items()}).read_bytes()
    path, store = folder / "linux-image-x_1_amd64.deb", folder / "store"

    def case(rng: random.Random) -> bool:
        path.write_bytes(damaged_bytes(rng, whole))
        try:
            root = package.unpack(path, store, cache.ignore)
        except BenchError as error:
            one_line(error)
            return False
        kept = [file for file in root.rglob("*") if file.is_file()]
        assert all(file.resolve().is_relative_to(root) for file in kept)
        return True

    return lambda seed, cases: count(seed, cases, case)
