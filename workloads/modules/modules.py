# SPDX-License-Identifier: GPL-2.0-only
"""Many modules loaded, in an order that the seed chooses; kept for the window; unloaded."""

import subprocess
import time
from fnmatch import fnmatch
from pathlib import Path
from random import Random

from agent import module_files
from agent.workload_api import Context, WorkloadFailed

LOADED = Path("/proc/modules")


def chosen(names: list[str], exclude: str, count: int, rng: Random) -> list[str]:
    """``count`` (0: all) of ``names`` but those that ``exclude`` matches, shuffled."""
    patterns = [p for p in exclude.split(",") if p]
    kept = sorted({n for n in names if not any(fnmatch(n, p) for p in patterns)})
    rng.shuffle(kept)
    return kept[:count] if count else kept


def loaded(text: str) -> list[str]:
    """Names in /proc/modules, the one loaded last first."""
    return [line.split()[0] for line in text.splitlines()]


def modprobe(*words: str) -> str:
    """Run modprobe and return what it complained of, without the names' own order."""
    done = subprocess.run(["modprobe", *words], capture_output=True, text=True, check=False)
    return done.stderr


class Workload:
    def setup(self, ctx: Context) -> None:
        there = module_files.names(module_files.folder())
        self._asked = chosen(there, ctx.params["exclude"], ctx.params["count"], ctx.rng)
        if not self._asked:
            raise WorkloadFailed(f"this kernel has no modules below {module_files.folder()}")
        before = set(loaded(LOADED.read_text()))
        began = time.monotonic()
        for name in self._asked:
            modprobe("-q", name)
        self._seconds = time.monotonic() - began
        present = set(loaded(LOADED.read_text()))
        self._new = present - before
        missing = sorted(set(self._asked) - present)
        if missing:
            ctx.note(f"modules that did not load here: {', '.join(missing)}")
        if not self._new:
            raise WorkloadFailed("no module was loaded")
        time.sleep(ctx.params["settle_s"])

    def warm(self, ctx: Context) -> None:
        """Nothing runs: what is measured is how the memory is mapped."""

    def measure(self, ctx: Context) -> None:
        ctx.wait(ctx.params["window_s"])

    def teardown(self, ctx: Context) -> None:
        ctx.emit("modules.asked_for", len(self._asked), "module")
        ctx.emit("modules.load_seconds", round(self._seconds, 6), "s")
        left = unload(self._new)
        ctx.emit("modules.not_unloaded", len(left), "module")
        if left:
            ctx.note(f"modules that cannot be unloaded: {', '.join(left)}")
        time.sleep(ctx.params["settle_s"])


def unload(names: set[str]) -> list[str]:
    """Unload ``names``, users before what they use; returns those that stay."""
    while True:
        present = [name for name in loaded(LOADED.read_text()) if name in names]
        for name in present:
            modprobe("-r", "-q", name)
        left = [name for name in loaded(LOADED.read_text()) if name in names]
        if not left or len(left) == len(present):
            return sorted(left)
