# SPDX-License-Identifier: GPL-2.0-only
"""How a kernel is built: tools, environment, command lines, and the key of the result.

Everything here is a pure function but ``tools``. What the build sees of the machine is
fixed: a bare environment, a constant time stamp, user and host, and paths mapped to
``/linux`` wherever the compiler would record them.
"""

import functools
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness import cache
from harness.errors import PrerequisiteError, UserError
from harness.proc import run

RECIPE = 3
"""Raised when this module changes what comes out of a build."""

TIMESTAMP = "2022-11-15 00:00:00 UTC"
"""In the kernel's version string and header archive; the date of the reference figures."""

_SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

NEEDED: Mapping[str, str] = {
    "make": "make",
    "gcc": "gcc",
    "ld": "binutils",
    "pahole": "dwarves",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "lz4": "lz4",
    "patch": "patch",
    "perl": "perl",
    "cpio": "cpio",
    "xz": "xz-utils",
    "tar": "tar",
    "depmod": "kmod",
}
"""Command that a kernel build runs -> Debian package it is in."""

HEADERS: Mapping[str, str] = {
    "gelf.h": "libelf-dev",
    "openssl/opensslv.h": "libssl-dev",
}
"""Header that a kernel build includes -> Debian package it is in."""


SOURCE_PACKAGE = re.compile(r"^linux-source-(\d+)\.(\d+)$")


@dataclass(frozen=True, kw_only=True)
class Tools:
    """First lines of the tools' own version output."""

    gcc: str
    ld: str
    pahole: str
    make: str
    ccache: bool  # used, and no part of the key: it changes no byte
    pahole_path: str = ""  # where it is not the one in PATH; no part of the key


def require(commands: Mapping[str, str], headers: Mapping[str, str]) -> None:
    """Raises PrerequisiteError naming the Debian packages of all that is not installed."""
    absent = [package for command, package in commands.items() if not _has_command(command)]
    absent += [p for header, p in headers.items() if not _has_header(header)]
    if absent:
        packages = " ".join(sorted(set(absent)))
        raise PrerequisiteError(
            f"not installed: {packages}", f"run `make setup`, or apt-get install {packages}"
        )


def _has_command(name: str) -> bool:
    return shutil.which(name, path=_SYSTEM_PATH) is not None


def _has_header(name: str) -> bool:
    roots = (
        Path("/usr/include"),
        Path("/usr/include/x86_64-linux-gnu"),
        Path("/usr/local/include"),
    )
    return any((root / name).is_file() for root in roots)


def tools() -> Tools:
    """The tools that a kernel build would use now. Raises PrerequisiteError."""
    require(NEEDED, HEADERS)
    return Tools(
        gcc=_version("gcc"),
        ld=_version("ld"),
        pahole=_version("pahole"),
        make=_version("make"),
        ccache=_has_command("ccache"),
    )


def _version(command: str) -> str:
    """First line of ``command --version``, of the one that a build will find, whatever the user's
    own PATH holds."""
    place = shutil.which(command, path=_SYSTEM_PATH)
    return _first_line(command, place and Path(place).stat().st_mtime_ns)


@functools.cache
def _first_line(command: str, _: int | str | None) -> str:
    """Asked once for each program file, told by its time: every variant's plan needs it."""
    argv = ["env", "-i", f"PATH={_SYSTEM_PATH}", "LC_ALL=C", command, "--version"]
    lines = run(argv).stdout.splitlines()
    return lines[0].strip() if lines else ""


def environment(linux: Path, ccache: Path | None, path: str = _SYSTEM_PATH) -> list[str]:
    """``env -i NAME=value ...``: the whole environment of a build below ``linux``.

    ``ccache`` is the folder of its store; None: it is not used.
    """
    values = {
        "PATH": path,
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "TZ": "UTC",
        "KBUILD_BUILD_TIMESTAMP": TIMESTAMP,
        "KBUILD_BUILD_USER": "bench",
        "KBUILD_BUILD_HOST": "execmem-bench",
        "KBUILD_BUILD_VERSION": "1",
    }
    if ccache is not None:
        values |= {
            "CCACHE_DIR": str(ccache),
            "CCACHE_BASEDIR": str(linux),
            "CCACHE_COMPILERCHECK": "content",
        }
    return ["env", "-i", *(f"{name}={value}" for name, value in values.items())]


def base_version(base: str) -> tuple[int, int]:
    """``(7, 3)`` of the base ``linux-source-7.3``. Raises UserError on another name."""
    match = SOURCE_PACKAGE.match(base)
    if not match:
        raise UserError(f"base {base!r}", "name a source package, like linux-source-6.1")
    return int(match[1]), int(match[2])


def pahole_version(text: str) -> tuple[int, int]:
    """``(1, 24)`` of pahole's own ``v1.24``. Raises PrerequisiteError on anything else."""
    match = re.match(r"v?(\d+)\.(\d+)", text.strip())
    if not match:
        raise PrerequisiteError(f"pahole says it is {text!r}", "install the Debian package dwarves")
    return int(match[1]), int(match[2])


def pahole_flags(version: tuple[int, int]) -> str:
    """Flags for pahole as 6.1's scripts/pahole-flags.sh gives them, without ``-j``.

    With several threads the order of types in the BTF changes from run to run.
    """
    flags: list[str] = []
    if (1, 18) <= version <= (1, 21):
        flags.append("--skip_encoding_btf_vars")
    if version >= (1, 21):
        flags.append("--btf_gen_floats")
    if version >= (1, 24):
        flags.append("--lang_exclude=rust")
    if version >= (1, 25):
        flags += ["--skip_encoding_btf_inconsistent_proto", "--btf_gen_optimized"]
    return " ".join(flags)


def btf_variables(base: str, toolchain: Tools) -> dict[str, str]:
    """kbuild's variables for the type information of a kernel built from ``base``.

    From 7.0 on the source asks for reproducible output itself where KBUILD_BUILD_TIMESTAMP is
    set (scripts/Makefile.btf), so its own flags stay.
    """
    if base_version(base) >= (7, 0):
        return {"PAHOLE": toolchain.pahole_path} if toolchain.pahole_path else {}
    return {"PAHOLE_FLAGS": pahole_flags(pahole_version(toolchain.pahole))}


def make(
    linux: Path,
    out: str,
    targets: Sequence[str],
    *,
    jobs: int,
    btf: Mapping[str, str],
    ccache: Path | None,
    variables: Mapping[str, str] | None = None,
) -> list[str]:
    """The command line of one kbuild run in ``linux`` with its output in ``linux/<out>``.

    The output must be a direct child of the source: kbuild then calls the source ``..``
    instead of by its absolute path. ``btf`` is what ``btf_variables`` gives.
    """
    # The later one wins; all output trees look the same, so the choice of one changes no byte.
    mapping = f"-ffile-prefix-map={linux}=/linux -ffile-prefix-map={linux / out}=/linux/out"
    merged = {
        "O": str(linux / out),
        "ARCH": "x86_64",
        "KCFLAGS": mapping,
        "KAFLAGS": mapping,
        **btf,
        **({"CC": "ccache gcc"} if ccache is not None else {}),
        **(variables or {}),
    }
    return [
        *environment(linux, ccache),
        "make",
        "-C",
        str(linux),
        f"-j{jobs}",
        *(f"{name}={value}" for name, value in merged.items()),
        *targets,
    ]


def digest(parts: object) -> str:
    """SHA-256 of the canonical JSON of ``parts``."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return cache.sha256_bytes(text.encode())


def kernel_key(
    base: str,
    base_sha256: str,
    patches: Sequence[str],
    options: Mapping[str, str],
    toolchain: Tools,
) -> str:
    """The content address of a build: every input that can change a byte of it.

    ``base`` is the variant's, ``patches`` are the hashes of the patches in order, ``options``
    the merged fragments.
    """
    versions = asdict(toolchain)
    for same_bytes in ("ccache", "pahole_path"):
        del versions[same_bytes]
    btf = btf_variables(base, replace(toolchain, pahole_path=""))
    return digest(
        {
            "recipe": RECIPE,
            "command": make(Path("/linux"), "out", (), jobs=1, btf=btf, ccache=None),
            "base": base_sha256,
            "patches": list(patches),
            "options": dict(options),
            "tools": versions,
        }
    )
