# SPDX-License-Identifier: GPL-2.0-only
"""Facts that a manifest keeps: hashes, versions, the host, the run's name."""

import hashlib
import os
import platform
import shutil
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec
import psutil

from harness import proc
from harness.cache import sha256_bytes
from harness.cache import sha256_file as sha256_file
from harness.errors import BenchError, PrerequisiteError
from harness.model.specs import TrialSpec


def sha256_tree(folder: Path, names: Iterable[str]) -> str:
    """SHA-256 over the files ``names`` of a folder: relative path, executable bit and content.

    The order of ``names``, folders among them and the folder's own place do not count.
    Raises OSError.
    """
    total = hashlib.sha256()
    for path in sorted(folder / name for name in names if (folder / name).is_file()):
        executable = "x" if os.access(path, os.X_OK) else "-"
        place = path.relative_to(folder).as_posix()
        total.update(f"{executable} {sha256_file(path)} {place}\n".encode())
    return total.hexdigest()


def sha256_value(value: object) -> str:
    """SHA-256 of a definition (a dataclass, mapping or sequence), independent of key order."""
    return sha256_bytes(msgspec.json.encode(value, order="deterministic"))


def now() -> datetime:
    """This moment, UTC."""
    return datetime.now(UTC)


def run_id(created: datetime, suite: str, trials: Sequence[TrialSpec]) -> str:
    """Name of a run: UTC time, suite, and eight digits of the hash of its trials.

    For example ``20261123T162503Z-quick-1f3a9c04``: sorts by time, and two runs of the
    same trials end alike.
    """
    stamp = created.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    safe = "".join(c if c.isalnum() or c in "-_." else "-" for c in suite) or "run"
    return f"{stamp}-{safe}-{sha256_value(list(trials))[:8]}"


def iso(moment: datetime) -> str:
    """UTC, ISO 8601, to the second: ``2026-11-23T16:25:03Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def program_version() -> str:
    """Version of the installed program."""
    return metadata.version("execmem-bench")


def git_describe(checkout: Path) -> str:
    """``git describe`` of ``checkout`` ("-dirty" with local changes); "" outside one."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = proc.run(command, timeout=30, check=False)
    except BenchError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def tool_version(command: str) -> str:
    """First line of ``command --version``. Raises PrerequisiteError when it says nothing."""
    done = proc.run([command, "--version"], timeout=30, check=False)
    first = done.stdout.strip().splitlines()[:1]
    if done.returncode != 0 or not first:
        raise PrerequisiteError(f"`{command} --version` ended with {done.returncode}")
    return first[0]


HOST_PACKAGES = (
    "binutils", "bison", "busybox-static", "clang-*", "cpp-*", "dwarves", "flex", "gcc-*",
    "libc6-dev", "libelf-dev", "linux-perf", "linux-source-*", "lld-*", "llvm-*", "make",
    "mmdebstrap", "pahole", "qemu-system-common", "qemu-system-data", "qemu-system-x86", "seabios",
)  # fmt: skip
"""What builds kernels, guests and the model, and runs them: patterns of dpkg-query(1)."""


def python_packages() -> dict[str, str]:
    """Name and version of each Python package that is installed beside the program."""
    found = {
        name.lower(): each.version
        for each in metadata.distributions()
        if (name := each.metadata["Name"])
    }
    return dict(sorted(found.items()))


def host_packages() -> dict[str, str]:
    """Name and version of each of ``HOST_PACKAGES`` that is installed; none where there is no
    dpkg."""
    command = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Version}\\n"]
    try:
        listing = proc.run([*command, *HOST_PACKAGES], timeout=30, check=False).stdout
    except BenchError:
        return {}
    words = [line.split() for line in listing.splitlines()]
    return {w[1]: w[2] for w in words if len(w) == 3 and w[0] == "installed"}


def program_sha256(name: str) -> str:
    """SHA-256 of the program ``name`` on PATH; "" where it cannot be read."""
    found = shutil.which(name)
    try:
        return sha256_file(Path(found)) if found else ""
    except OSError:
        return ""


def host_facts(read: Callable[[str], str] | None = None) -> dict[str, str]:
    """The machine a run was made on; what cannot be found out is left out, never guessed.

    The machine's name is not among them. ``read`` returns the text of a file (for tests).
    """
    read = read or _read
    facts = {
        "os": os_release_name(read("/etc/os-release")),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": cpu_model(read("/proc/cpuinfo")),
        "cpus": _text(psutil.cpu_count(logical=True)),
        "cores": _text(psutil.cpu_count(logical=False)),
        "memory_mib": _text(psutil.virtual_memory().total >> 20),
        "python": platform.python_version(),
    }
    return {key: value for key, value in facts.items() if value}


def cpu_model(cpuinfo: str) -> str:
    """``model name`` of the first CPU in the text of /proc/cpuinfo; "" when not given."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return ""


def os_release_name(text: str) -> str:
    """``PRETTY_NAME`` in the text of /etc/os-release; "" when not given."""
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip().strip("\"'")
    return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
