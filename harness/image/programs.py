# SPDX-License-Identifier: GPL-2.0-only
"""Programs of workloads: a C source each, linked statically for the guest."""

import hashlib
import shutil
from pathlib import Path

from filelock import FileLock

from harness.errors import UserError
from harness.paths import cache_dir
from harness.proc import CommandError, run

CFLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread")


def program_argv(source: Path, out: Path) -> list[str]:
    """The compiler's command line. The path of the source does not get into the program."""
    return ["gcc", *CFLAGS, f"-ffile-prefix-map={source.parent}=.", "-o", str(out), str(source)]


def build_program(source: Path) -> Path:
    """The program made of ``source``, compiled if this content of it is not in the cache.

    Raises UserError with the compiler's first complaint when it does not compile, or when
    there is no such file.
    """
    try:
        content = source.read_bytes()
    except OSError as error:
        raise UserError(f"{source}: {error.strerror}", "correct `programs` in workload.toml") from (
            error
        )
    key = hashlib.sha256(" ".join(CFLAGS).encode() + b"\0" + content).hexdigest()
    root = cache_dir() / "programs"
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"{source.stem}-{key[:16]}"
    with FileLock(root / "lock"):
        if not path.is_file():
            made = path.with_suffix(".new")
            try:
                run(program_argv(source, made))
            except CommandError as error:
                lines = str(error).splitlines()
                why = next((x for x in lines if "error:" in x), lines[-1])
                raise UserError(f"{source.name} does not compile: {why}", "correct it") from error
            shutil.move(made, path)
    return path
