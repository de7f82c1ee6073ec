# SPDX-License-Identifier: GPL-2.0-only
"""What a trial can leave on a machine beyond its namespaces: modules, and what it had traced."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness import proc
from harness.guest.agent import edges
from harness.targets.target import Payload

TRACEFS = (Path("/sys/kernel/tracing/events"), Path("/sys/kernel/debug/tracing/events"))
"""Where it is mounted, if it is."""


@dataclass(frozen=True, kw_only=True)
class Present:
    """Modules of the workload that are loaded, the last one first, and triggers of ours."""

    modules: tuple[str, ...]
    triggers: tuple[tuple[Path, str], ...]


def now(payload: Payload, modules: str | None = None) -> Present:
    """What is there of all that the trial may leave. ``modules``: the text of /proc/modules."""
    if modules is None:
        modules = Path("/proc/modules").read_text() if Path("/proc/modules").exists() else ""
    loaded = [line.split()[0] for line in modules.splitlines() if line.strip()]
    own = _own_modules(payload)
    return Present(
        modules=tuple(name for name in loaded if name in own),
        triggers=tuple(_triggers(TRACEFS)),
    )


def remove(before: Present, after: Present) -> None:
    """Remove what is in ``after`` and was not there ``before``; a module in use stays."""
    for name in after.modules:
        if name not in before.modules:
            proc.run(["rmmod", name], check=False)
    for path, trigger in after.triggers:
        if (path, trigger) not in before.triggers:
            with suppress(OSError):
                path.write_text(f"!{trigger}")


def _own_modules(payload: Payload) -> frozenset[str]:
    """Names, as /proc/modules has them, of the modules that the trial brings."""
    files = (payload.kernel_files.module_files or {}).values()
    stems = (Path(name).name.partition(".ko") for names in files for name in names)
    return frozenset(stem.replace("-", "_") for stem, suffix, _ in stems if suffix)


def _triggers(folders: Iterable[Path]) -> Iterable[tuple[Path, str]]:
    folder = next((one for one in folders if one.is_dir()), None)
    if folder is None:
        return
    for event, trigger in edges.TRACES.values():
        path = folder / event / "trigger"
        with suppress(OSError):
            if trigger in path.read_text():
                yield path, trigger
