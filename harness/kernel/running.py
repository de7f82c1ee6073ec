# SPDX-License-Identifier: GPL-2.0-only
"""The kernel that is running: what it is, and what lies on the machine for it."""

import gzip
import zlib
from pathlib import Path

from harness import cache
from harness.errors import PrerequisiteError
from harness.kernel import kconfig
from harness.kernel.artefacts import Kernel, RunningKernel
from harness.model.records import KernelIdentity

RELEASE = "proc/sys/kernel/osrelease"
NOTES = "sys/kernel/notes"
"""The image's ELF notes, which have its build-id: the same for equal images, whatever file the
machine was booted from."""
EMBEDDED = "proc/config.gz"


def adopt(chosen: RunningKernel, root: Path = Path("/")) -> Kernel:
    """The kernel that runs on ``root``. Raises PrerequisiteError where it does not tell what it
    is."""
    try:
        release = (root / RELEASE).read_text().strip()
        sha256 = cache.sha256_file(root / NOTES)
    except OSError as error:
        raise PrerequisiteError(
            f"KERNEL=local: {error.filename}: {error.strerror}",
            "it takes a kernel with CONFIG_SYSFS=y and CONFIG_PROC_SYSCTL=y",
        ) from error
    options = _options(root, release)
    modules = root / "lib/modules" / release
    return Kernel(
        identity=KernelIdentity(
            name=chosen.name,
            image_sha256=sha256,
            config_sha256=kconfig.digest(options) if options is not None else "",
            release=release,
        ),
        title=f"running, {release}",
        image=root / NOTES,
        options=options,
        kheaders=_file(root / "sys/kernel/kheaders.tar.xz"),
        modules=root if modules.is_dir() else None,
        btf=_file(root / "sys/kernel/btf/vmlinux"),
        cached=True,
    )


def _options(root: Path, release: str) -> kconfig.Options | None:
    try:
        text = gzip.decompress((root / EMBEDDED).read_bytes()).decode(errors="replace")
        return kconfig.parse(text.splitlines(), EMBEDDED)
    except (OSError, EOFError, zlib.error):
        pass
    path = root / f"boot/config-{release}"
    try:
        return kconfig.parse(path.read_text(errors="replace").splitlines(), str(path))
    except OSError:
        return None


def _file(path: Path) -> Path | None:
    return path if path.is_file() else None
