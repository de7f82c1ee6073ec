# SPDX-License-Identifier: GPL-2.0-only
"""What a caller gets: a kernel ready to boot, with all that belongs to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.model.records import KernelIdentity
from harness.model.specs import VariantSpec


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A kernel to boot. Paths of what it lacks are None."""

    identity: KernelIdentity
    title: str  # a few words for tables
    image: Path  # bzImage; of the running kernel, its notes
    system_map: Path | None = None
    config: Path | None = None  # its .config
    options: Mapping[str, str] | None = None  # in it, or embedded in the image; None: not known
    kheaders: Path | None = None  # kheaders.tar.xz, for bcc
    modules: Path | None = None  # folder that holds lib/modules/<release>
    btf: Path | None = None  # raw BTF of vmlinux
    variant: VariantSpec | None = None  # None: a kernel of the user's own
    cached: bool = False  # nothing was built
    seconds: float = 0.0  # wall time of the build, also when it was made earlier

    @property
    def name(self) -> str:
        return self.identity.name


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The ``bench`` program of the base's BPF self-tests: static, the same for all kernels."""

    path: Path
    sha256: str
    cached: bool


@dataclass(frozen=True, kw_only=True)
class Selftests:
    """The base's BPF self-tests: ``test_progs`` and the objects that it opens."""

    files: tuple[Path, ...]
    sha256: str  # over all of them
    cached: bool


@dataclass(frozen=True, kw_only=True)
class UserKernel:
    """A kernel of the user's own: an image, and the tree it was built in if it lies in one."""

    name: str
    image: Path
    tree: Path | None = None


@dataclass(frozen=True, kw_only=True)
class RunningKernel:
    """The kernel that the machine runs now, which is measured without a guest."""

    name: str
