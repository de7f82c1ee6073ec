# SPDX-License-Identifier: GPL-2.0-only
"""What the guest's root filesystem is made of, and the command that makes it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import PrerequisiteError

BASE_PACKAGES = (
    "busybox",
    "iproute2",
    "kmod",
    "libelf1",
    "linux-perf",
    "python3",
    "python3-psutil",
    "python3-pyroute2",
    "zlib1g",
)
BCC_PACKAGES = ("python3-bpfcc",)
"""Debian's BPF Compiler Collection; PyPI's `bcc` is another program altogether."""

UBUNTU_NAMES = {"linux-perf": "linux-tools-generic"}

DROP = (
    "boot",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/bash-completion",
    "usr/share/bpfcc-tools",
    "usr/share/perl5",
    "usr/lib/x86_64-linux-gnu/perl-base",
    "usr/lib/apt",
    "usr/lib/git-core",
    "var/cache",
    "var/lib/apt",
    "var/lib/dpkg",
    "var/log",
    "etc/machine-id",
    "etc/resolv.conf",
    "etc/hostname",
)
"""Never needed in the guest, or different on each host; every byte costs boot time."""

DROP_NAMES = re.compile(r"(^|/)(libapt-(pkg|private)\.so\S*|perl\S*|ldconfig-aux|aux-cache)$")


@dataclass(frozen=True, kw_only=True)
class Release:
    """The distribution release that the guest is made from: the host's own."""

    id: str
    codename: str
    sources: tuple[Path, ...]  # apt's own files, which name the mirror


def release(os_release: Mapping[str, str], apt: Path = Path("/etc/apt")) -> Release:
    """The host's release with the apt files that mirror it.

    Raises PrerequisiteError for a distribution without Debian's packages.
    """
    ident = os_release.get("ID", "unknown")
    if ident not in ("debian", "ubuntu"):
        raise PrerequisiteError(
            f"the guest image is made from Debian's or Ubuntu's packages, and this is {ident!r}",
            "run on Debian 12, Debian 13 or Ubuntu",
        )
    codename = os_release.get("VERSION_CODENAME", "")
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    sources = [f for f in files if f.suffix in (".list", ".sources") and _has(f, ident, codename)]
    if not codename or not sources:
        raise PrerequisiteError(
            f"no apt source for {ident} {codename!r} below {apt}",
            "add the distribution's own mirror there",
        )
    return Release(id=ident, codename=codename, sources=tuple(sources))


def _has(path: Path, ident: str, codename: str) -> bool:
    if not path.is_file():
        return False
    text = path.read_text(errors="replace")
    suite = re.search(rf"^(Suites:.*\s|deb\s.*\s){re.escape(codename)}(\s|$)", text, re.MULTILINE)
    return suite is not None and ident in text


def parse_os_release(text: str) -> dict[str, str]:
    """/etc/os-release as a mapping."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}


def package_names(names: tuple[str, ...], ident: str) -> list[str]:
    """``names`` as the distribution ``ident`` calls them."""
    return [UBUNTU_NAMES.get(n, n) if ident == "ubuntu" else n for n in names]


def mmdebstrap_argv(host: Release, target: Path, base_list: Path) -> list[str]:
    """The command that makes the root filesystem as a folder.

    A hook notes the files present before the bcc packages are added, which is how the
    base layer is told from the bcc layer.
    """
    bcc = " ".join(package_names(BCC_PACKAGES, host.id))
    quiet = "DEBIAN_FRONTEND=noninteractive"
    return [
        "mmdebstrap",
        "--variant=minbase",
        "--mode=root",
        "--format=directory",
        "--include=" + ",".join(package_names(BASE_PACKAGES, host.id)),
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        f'--customize-hook=cd "$1" && find . -xdev -mindepth 1 >{base_list}',
        f'--customize-hook=chroot "$1" env {quiet} apt-get install -y '
        f"--no-install-recommends {bcc}",
        # Compiled files that name their source by content, not by time: same bytes everywhere.
        '--customize-hook=chroot "$1" env PYTHONHASHSEED=0 python3 -m compileall -q -f'
        " --invalidation-mode unchecked-hash /usr/lib/python3 /usr/lib/python3.* || true",
        host.codename,
        str(target),
        *[str(source) for source in host.sources],
    ]


def dropped(name: str) -> bool:
    """Whether the file ``name`` (relative to the root) stays out of the image."""
    return any(name == d or name.startswith(d + "/") for d in DROP) or bool(DROP_NAMES.search(name))
