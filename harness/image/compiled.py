# SPDX-License-Identifier: GPL-2.0-only
"""Programs of workloads: a C source each, linked statically for the guest."""

from pathlib import Path

from harness import cache
from harness.errors import UserError
from harness.paths import cache_dir
from harness.proc import CommandError, run

CFLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread")


def program_argv(source: Path, out: Path) -> list[str]:
    """The compiler's command line. The path of the source does not get into the program."""
    return ["gcc", *CFLAGS, f"-ffile-prefix-map={source.parent}=.", "-o", str(out), str(source)]


def program_key(source: Path, content: bytes) -> str:
    """Key of the program made of ``content``, which is that of the file ``source``."""
    return f"{source.stem}-{cache.sha256_bytes(' '.join(CFLAGS).encode() + bytes(1) + content)}"


def build_program(source: Path, say: cache.Say = cache.ignore) -> Path:
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

    def make(staging: Path) -> cache.Facts:
        try:
            run(program_argv(source, staging / source.stem))
        except CommandError as error:
            lines = str(error).splitlines()
            why = next((x for x in lines if "error:" in x), lines[-1])
            raise UserError(f"{source.name} does not compile: {why}", "correct it") from error
        return {}

    store, key = cache_dir() / cache.Kind.PROGRAMS, program_key(source, content)
    entry = cache.get_or_make(store, key, make, name=f"program {source.stem}", say=say)
    return entry.path / source.stem
