# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages that hold a kernel: ``linux-image-*``, ``linux-binary-*``, and what the
kernel's own ``make bindeb-pkg`` writes. Unpacked once, by content, into the cache.

Since Linux 7.2 Debian has a kernel in three packages (``linux-binary-``, ``linux-base-`` with the
configuration, ``linux-modules-``); those that lie beside the named one are taken with it.
"""

import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO

from harness import cache
from harness.cache import Say
from harness.errors import DataError, InfrastructureError, UserError
from harness.kernel import recipe
from harness.proc import CommandError, run, start

SUFFIX = ".deb"
ARCHITECTURE = "amd64"
_REMEDY = "give a linux-image or linux-binary package for amd64"
_KEPT = ("boot", "lib/modules")
"""Folders of a package that hold the kernel, its configuration and its modules."""


_PARTS = ("image", "binary", "base", "modules")
_NAME = re.compile(rf"linux-(?:{'|'.join(_PARTS)})-(?P<release>.+)")


def fields(path: Path) -> dict[str, str]:
    """Name, version, architecture and dependencies of a package, as its control file has them.

    Raises UserError when it is not a Debian package.
    """
    names = ("Package", "Version", "Architecture", "Depends")
    try:
        text = run(["dpkg-deb", "--field", str(path), *names]).stdout
    except CommandError as error:
        reason = error.output.strip().splitlines()[-1:] or ["dpkg-deb cannot read it"]
        raise UserError(f"{path} is not a Debian package: {reason[0]}", _REMEDY) from error
    pairs = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, _, value in pairs}


def unpack(path: Path, store: Path, say: Say) -> Path:
    """The folder below ``store`` with ``boot/`` and ``lib/modules/`` of the package ``path``.

    With it the other packages of the same kernel and version in its folder. Raises UserError for
    a package of another architecture and for one without a kernel, InfrastructureError when it
    cannot be unpacked.
    """
    control = fields(path)
    name, architecture = control.get("Package", path.name), control.get("Architecture", "")
    if architecture != ARCHITECTURE:
        raise UserError(f"{path} is a package for {architecture}", _REMEDY)
    packages = (path, *companions(path, name, control.get("Version", "")))
    key = recipe.digest([cache.content_sha256(part) for part in packages])

    def make(staging: Path) -> cache.Facts:
        say(f"unpacking {', '.join(part.name for part in packages)}")
        root = staging / "root"
        root.mkdir()
        for part in packages:
            _extract(part, staging / "tar", root)
        if not images(root):
            needed = control.get("Depends")
            hint = f" (it depends on {needed}: is one of these the kernel?)" if needed else ""
            raise UserError(f"{path} holds no kernel, no vmlinuz{hint}", _REMEDY)
        index_modules(root)
        return {"package": name, "version": control.get("Version", "")}

    return cache.get_or_make(store, key, make, name=f"package {name}", say=say).path / "root"


def companions(path: Path, name: str, version: str) -> tuple[Path, ...]:
    """The files beside ``path`` that hold the other parts of the kernel in package ``name``."""
    kernel = _NAME.fullmatch(name)
    if not kernel:
        return ()
    files = (
        path.with_name(
            f"linux-{part}-{kernel['release']}_{version.partition(':')[2] or version}"
            f"_{ARCHITECTURE}{SUFFIX}"
        )
        for part in _PARTS
    )
    return tuple(file for file in files if file != path and file.is_file())


def images(root: Path) -> tuple[Path, ...]:
    """The kernel images in an unpacked package, or in any folder laid out like one."""
    return (
        *sorted((root / "boot").glob("vmlinuz-*")),
        *sorted((root / "lib/modules").glob("*/vmlinuz")),
    )


def index_modules(root: Path) -> None:
    """Write modules.dep and its like, which a package leaves to the machine it is installed on."""
    for folder in sorted((root / "lib/modules").glob("*")):
        if not (folder / "modules.dep").is_file() and any(folder.rglob("*.ko*")):
            run(["depmod", "-b", str(root), folder.name])


def _extract(path: Path, archive: Path, root: Path) -> None:
    """Regular files below ``_KEPT`` only: nothing that a package names leaves ``root``."""

    def write(place: str, content: IO[bytes]) -> None:
        target = root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as out:
            shutil.copyfileobj(content, out, 1 << 20)

    try:
        argv = ["dpkg-deb", "--fsys-tarfile", str(path)]
        with archive.open("wb") as out, start(argv, stdout=out) as packer:
            status = packer.wait()
        if status:
            raise DataError(f"{argv[0]} ended with {status}")
        with archive.open("rb") as packed:
            for_each_file(packed, write)
    except (OSError, DataError) as error:
        raise InfrastructureError(
            f"{path} cannot be unpacked ({error})",
            "free some space in the cache, or fetch the package again",
        ) from error
    finally:
        archive.unlink(missing_ok=True)


def for_each_file(archive: IO[bytes], use: Callable[[str, IO[bytes]], None]) -> None:
    """Give ``use`` each regular file of a package that is kept: where it goes, and its content.

    Links go nowhere. Raises DataError for an archive that is damaged.
    """
    try:
        with tarfile.open(fileobj=archive) as tar:
            for member in tar:
                place = kept_place(member.name)
                content = tar.extractfile(member) if member.isfile() else None
                if content is not None and place is not None:
                    use(place, content)
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise DataError(f"its archive is damaged: {error}") from error


def kept_place(name: str) -> str | None:
    """Where a file of a package goes below the unpacked root; None: it is left out.

    ``usr/lib/modules`` and ``lib/modules`` are one folder, as on a system with merged /usr.
    """
    parts = [part for part in PurePosixPath(name).parts if part not in (".", "/")]
    if ".." in parts or "\0" in name:
        return None
    place = "/".join(parts).removeprefix("usr/")
    return place if any(place.startswith(f"{folder}/") for folder in _KEPT) else None
