# SPDX-License-Identifier: GPL-2.0-only
"""The guest's layers: cpio files that are concatenated into one initramfs.

``base`` (Python, perf, busybox) and ``bcc`` (clang and LLVM) come from Debian's packages
and are cached; ``agent``, ``kernel`` and ``trial`` are written when they are needed.
"""

import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import cache, proc
from harness.errors import PrerequisiteError
from harness.image import cpio, packages
from harness.paths import PROJECT, cache_dir
from harness.scratch import scratch

AGENT = PROJECT / "harness" / "guest" / "agent"
AGENT_PLACE = "opt/execmem-bench"
TRIAL_PLACE = "run/trial"
HEADERS_PLACE = "opt/kernel-headers"
BASE_LAYERS = ("base", "bcc")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A cpio file and the SHA-256 of its bytes."""

    name: str
    path: Path
    sha256: str


def base_layers(progress: cache.Say, say: cache.Say = cache.ignore) -> dict[str, Layer]:
    """The layers made from the distribution's packages, built once and cached.

    ``progress`` gets what the making does now, ``say`` lines that stay. Raises
    PrerequisiteError on a distribution that cannot serve, CommandError when mmdebstrap fails
    (its log is kept beside the place of the image and named).
    """
    host = host_release()
    store, key = cache_dir() / cache.Kind.IMAGES, recipe_key(host)
    entry = cache.get_or_make(
        store,
        key,
        lambda staging: _build(host, staging, store / f"{key}.log", progress),
        name=f"guest image {host.id} {host.codename}",
        say=say,
    )
    return {
        name: Layer(
            name=name,
            path=entry.path / f"{name}.cpio",
            sha256=entry.record.files[f"{name}.cpio"],
        )
        for name in BASE_LAYERS
    }


def host_release() -> packages.Release:
    """The release of this machine. Raises PrerequisiteError for one that cannot serve."""
    return packages.release(packages.parse_os_release(Path("/etc/os-release").read_text()))


def recipe_key(host: packages.Release) -> str:
    """Name of the cached image: changes whenever the recipe does (not with the mirror)."""
    text = Path(packages.__file__).read_bytes() + Path(__file__).read_bytes()
    text += Path(cpio.__file__).read_bytes() + f"{host.id} {host.codename}".encode()
    return cache.sha256_bytes(text)[:16]


def _build(host: packages.Release, made: Path, log: Path, progress: cache.Say) -> cache.Facts:
    if os.geteuid() != 0:
        raise PrerequisiteError("making the guest image needs root", "run as root, or with sudo")
    log.unlink(missing_ok=True)
    with scratch() as work:
        work.chmod(0o755)
        root, base_list = work / "root", work / "base.list"
        progress("installing the guest's packages (mmdebstrap)")
        proc.run(
            packages.mmdebstrap_argv(host, root, base_list),
            env={"SOURCE_DATE_EPOCH": "0", "TMPDIR": "/var/tmp"},
            timeout=1200,
            log=log,
            on_line=progress,
        )
        progress("writing the layers")
        in_base = {line.removeprefix("./") for line in base_list.read_text().splitlines()}
        kept = [n for n in _names(root) if not packages.dropped(n)]
        for name, chosen in (
            ("base", [n for n in kept if n in in_base]),
            ("bcc", [n for n in kept if n not in in_base]),
        ):
            write_layer(made / f"{name}.cpio", cpio.from_tree(root, chosen))
        (made / "packages.txt").write_text(_packages(root))
    shutil.move(log, made / "mmdebstrap.log")
    return {"distribution": f"{host.id} {host.codename}"}


def _names(root: Path) -> Iterable[str]:
    for folder, dirs, files in os.walk(root):
        for name in (*dirs, *files):
            yield str((Path(folder) / name).relative_to(root))


def _packages(root: Path) -> str:
    """``name version`` of each installed package, from dpkg's own status file."""
    lines = []
    name = ""
    for line in (root / "var/lib/dpkg/status").read_text(errors="replace").splitlines():
        if line.startswith("Package: "):
            name = line.removeprefix("Package: ")
        elif line.startswith("Version: "):
            lines.append(f"{name} {line.removeprefix('Version: ')}\n")
    return "".join(sorted(lines))


def write_layer(path: Path, entries: Iterable[cpio.Entry]) -> str:
    """Write ``entries`` to ``path``; returns the SHA-256 of the bytes. Raises OSError."""
    with path.open("wb") as file:
        cpio.write(entries, file)
    return cache.sha256_file(path)


def agent_layer(path: Path) -> Layer:
    """Init and the agent, from the checkout."""
    files = sorted(p for p in AGENT.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    entries: list[cpio.Entry] = []
    for file in files:
        name = f"{AGENT_PLACE}/agent/{file.relative_to(AGENT)}"
        if file.name == "init":
            entries.append(cpio.regular("init", file.read_bytes(), 0o755))
        else:
            entries.append(cpio.regular(name, file.read_bytes()))
    entries = [*cpio.parents(e.name for e in entries), *entries]
    return Layer(name="agent", path=path, sha256=write_layer(path, entries))


def kernel_layer(
    path: Path,
    *,
    modules: Path | None,
    headers: Path | None,
    files: Mapping[str, Path],
    module_files: Mapping[str, Sequence[str]] | None = None,
) -> Layer:
    """What belongs to one kernel: its modules tree (``lib/modules/<release>`` below
    ``modules``), its headers (``kheaders_data.tar.xz``), and ``files`` (place -> file).

    ``module_files``: of the modules tree only these, by release; None: all of it.
    """
    entries: list[cpio.Entry] = []
    if modules is not None and module_files is not None:
        for release, names in module_files.items():
            folder = modules / "lib/modules" / release
            entries += cpio.from_tree(folder, names, prefix=f"usr/lib/modules/{release}/")
    elif modules is not None:
        # /lib is a link to usr/lib in the base layer: a folder of that name would replace it.
        entries += cpio.from_tree(modules / "lib", prefix="usr/lib/")
    if headers is not None:
        entries += list(_headers(headers))
    for place, source in sorted(files.items()):
        mode = source.stat().st_mode & 0o100777
        entries.append(cpio.Entry(name=place, mode=mode, source=source))
    entries = [*cpio.parents(e.name for e in entries), *entries]
    return Layer(name="kernel", path=path, sha256=write_layer(path, entries))


def _headers(archive: Path) -> Iterable[cpio.Entry]:
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            name = f"{HEADERS_PLACE}/{member.name.removeprefix('./')}"
            if member.isdir():
                yield cpio.directory(name.rstrip("/"))
            elif member.isfile():
                file = tar.extractfile(member)
                assert file is not None
                yield cpio.regular(name, file.read(), member.mode)


def workload_files(folder: Path) -> list[str]:
    """What the guest gets of a workload's ``folder``, relative to it, sorted: neither pages to
    read nor hidden nor byte-compiled files. The workload's hash is over these."""
    return sorted(
        name
        for name in _names(folder)
        if not name.endswith((".md", ".pyc"))
        and not any(part.startswith(".") or part == "__pycache__" for part in name.split("/"))
    )


def trial_layer(path: Path, trial_json: bytes, workload: Path) -> Layer:
    """What belongs to one trial: ``trial.json`` and the workload's folder."""
    names = workload_files(workload)
    entries = [
        cpio.regular(f"{TRIAL_PLACE}/trial.json", trial_json),
        *cpio.from_tree(workload, names, prefix=f"{TRIAL_PLACE}/workload/"),
    ]
    entries = [*cpio.parents(e.name for e in entries), *entries]
    return Layer(name="trial", path=path, sha256=write_layer(path, entries))


def join(layers: Iterable[Layer], initrd: Path) -> None:
    """Concatenate ``layers`` into ``initrd``, in order: later ones overlay earlier ones."""
    with initrd.open("wb") as out:
        for layer in layers:
            with layer.path.open("rb") as file:
                shutil.copyfileobj(file, out, 1 << 20)
