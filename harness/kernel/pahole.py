# SPDX-License-Identifier: GPL-2.0-only
"""pahole, which writes a kernel's type information: which version a base needs, and getting it.

Linux 7.x describes functions by what only pahole 1.26 and later write; earlier ones leave it
out without a word. 1.27 is the first whose output is the same with any number of threads.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.errors import PrerequisiteError
from harness.kernel import debian, recipe
from harness.proc import run

WRAPPER = "pahole"

_SCRIPT = """\
#!/bin/sh
# pahole with the C library and the loader of its own release.
root=$(dirname "$0")
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" \\
    "$root/usr/bin/pahole" "$@"
"""


def minimum(base: str) -> tuple[int, int]:
    """The earliest pahole that the base source ``base`` is built with."""
    return (1, 27) if recipe.base_version(base) >= (7, 0) else (0, 0)


def for_base(
    toolchain: recipe.Tools, base: str, store: Path, say: Callable[[str], None]
) -> recipe.Tools:
    """``toolchain`` with a pahole that is new enough for ``base``: the machine's, or Debian's
    with its own libraries, kept below ``store``.

    Raises PrerequisiteError when there is neither.
    """
    needed = minimum(base)
    if recipe.pahole_version(toolchain.pahole) >= needed:
        return toolchain
    number = ".".join(map(str, needed))
    remedy = (
        f"{base} needs pahole {number} or later and this machine's is {toolchain.pahole}: "
        "install a later one"
    )
    folder = debian.obtain(store, WRAPPER, lambda apt, to: _fill(apt, to, say), remedy, say)
    tools = _with(toolchain, folder)
    if recipe.pahole_version(tools.pahole) < needed:
        raise PrerequisiteError(f"{tools.pahole_path} is {tools.pahole}", remedy)
    return tools


def at_hand(toolchain: recipe.Tools, base: str, store: Path) -> recipe.Tools | None:
    """As ``for_base``, of what is on this machine already; None: it would be downloaded."""
    if recipe.pahole_version(toolchain.pahole) >= minimum(base):
        return toolchain
    folder = store / WRAPPER
    return _with(toolchain, folder) if folder.is_dir() else None


def _with(toolchain: recipe.Tools, folder: Path) -> recipe.Tools:
    wrapper = folder / WRAPPER
    version = run([str(wrapper), "--version"]).stdout.strip()
    return replace(toolchain, pahole=version, pahole_path=str(wrapper))


def _fill(apt: debian.AptRoot, to: Path, say: Callable[[str], None]) -> None:
    package = apt.package("dwarves")
    if package is None:
        raise PrerequisiteError(f"no package dwarves in {', '.join(debian.SUITES)}")
    apt.unpack_with_depends(package, to, say)
    shutil.rmtree(to / "usr/share", ignore_errors=True)
    (to / WRAPPER).write_text(_SCRIPT)
    (to / WRAPPER).chmod(0o755)
