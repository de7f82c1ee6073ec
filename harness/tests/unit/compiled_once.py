# SPDX-License-Identifier: GPL-2.0-only
"""C programs of the tests, compiled once for all workers."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import filelock

from harness import proc


def compiled(folder: Path, argv: Callable[[Path], list[str]]) -> Path:
    """The program that the compiler's command line ``argv(program)`` makes, below ``folder``.

    Its name is made of that command line: workers that ask for the same one wait for the first.
    """
    name = hashlib.sha256("\0".join(argv(Path("program"))).encode()).hexdigest()
    program = folder / name
    with filelock.FileLock(folder / f"{name}.lock"):
        if not program.exists():
            partial = folder / f"{name}.partial"
            proc.run(argv(partial))
            partial.rename(program)
    return program
