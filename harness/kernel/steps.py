# SPDX-License-Identifier: GPL-2.0-only
"""How many steps a kernel build has, from the last build of its kind."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.model.specs import VariantSpec

FILE = "steps.json"


@dataclass(frozen=True, kw_only=True)
class Steps:
    """How far a build is."""

    done: int
    expected: int | None = None  # steps of the last build of its kind; None: not known
    builds_left: int = 0  # kernels to be built after this one


Listener = Callable[[Steps], None]


def ignore_steps(_: Steps) -> None:
    """The listener of a caller who wants no progress."""


def is_step(line: str) -> bool:
    """Whether ``line`` of kbuild's output is a step: ``  CC      kernel/fork.o``."""
    return line.startswith("  ") and line[2:3].isupper()


def kind(variant: VariantSpec, *, new_tree: bool) -> str:
    """Builds of one kind have about equally many steps: base, configuration, and whether an
    output tree is built on."""
    return " ".join((variant.base, *variant.kconfig, "new" if new_tree else "again"))


def last(folder: Path, kind: str) -> int | None:
    """Steps of the last build of ``kind`` below ``folder``; None where none is known."""
    count = _read(folder).get(kind)
    return count if isinstance(count, int) and count > 0 else None


def keep(folder: Path, kind: str, count: int) -> None:
    """Note in ``folder`` that a build of ``kind`` had ``count`` steps. A note that cannot be
    written is none: nothing depends on it."""
    temporary = folder / f".{FILE}.{os.getpid()}"
    try:
        temporary.write_text(json.dumps(_read(folder) | {kind: count}, indent=1) + "\n")
        temporary.replace(folder / FILE)
    except OSError:
        temporary.unlink(missing_ok=True)


def _read(folder: Path) -> dict[str, object]:
    try:
        counts = json.loads((folder / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return counts if isinstance(counts, dict) else {}
