# SPDX-License-Identifier: GPL-2.0-only
"""Compiling the model's QEMU plugin, and the argument that loads it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import cache, proc
from harness.errors import UserError
from harness.model.trial_settings import SETTINGS, TrialSettings, setting_text
from harness.paths import cache_dir

HERE = Path(__file__).parent
SOURCES = HERE / "src"
PROFILES = HERE / "profiles"
CFLAGS = ("-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror")
LIBRARY = ("tlb.c", "hierarchy.c", "profile.c", "asid.c", "sites.c", "snapshot.c", "decode.c")
"""The model itself: no QEMU and no glib in it."""
DRIVER = "replay.c"
"""Replays recorded traces; a program of its own."""
REPLAY = (DRIVER, "options.c", "machine.c", "report.c", "trace_read.c")
"""What it has beside the library."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """The plugin as a file, and the SHA-256 of its sources and compiler flags."""

    path: Path
    sha256: str


def profiles() -> list[str]:
    """Names of the CPU profiles."""
    return sorted(path.stem for path in PROFILES.glob("*.profile"))


def profile_path(name: str) -> Path:
    """The file of profile ``name``. Raises UserError when there is none."""
    path = PROFILES / f"{name}.profile"
    if not path.is_file():
        raise UserError(f"no CPU profile {name!r}", f"known: {', '.join(profiles())}")
    return path


def sources_sha256() -> str:
    """Hash of all that decides what the plugin counts: sources, in order, and flags."""
    parts = [" ".join(CFLAGS).encode()]
    for path in sorted(SOURCES.glob("*.[ch]")):
        parts.append(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return cache.sha256_bytes(b"".join(parts))


QEMU = "qemu-system-x86_64"
"""The program that loads the plugin."""
APIS = (4, 7)
"""Versions of QEMU's plugin interface that the plugin can be compiled for."""
PLUGIN_FILE = "itlb.so"
REPLAY_FILE = "replay"


def key(file: str, version: str) -> str:
    """Key of the plugin or the replay driver, by its file and what it was made of."""
    return f"{Path(file).stem}-{version}"


def plugin_api(version: str) -> int:
    """Version of the plugin interface for the QEMU that says ``version`` of itself.

    QEMU 10.0 has version 4; QEMU 11.1 takes none below 7. One between them that does not take 4
    refuses the plugin itself, in a line on standard error.
    """
    match = re.search(r"version (\d+)\.(\d+)", version)
    newer = match is not None and (int(match[1]), int(match[2])) >= (11, 1)
    return APIS[newer]


def build_plugin(say: cache.Say = cache.ignore) -> Plugin:
    """The plugin for this machine's QEMU, compiled if this version of it is not in the cache.

    Raises PrerequisiteError without QEMU or a compiler, CommandError when it does not compile.
    """
    sha256 = sources_sha256()
    api = plugin_api(proc.run([QEMU, "--version"]).stdout)

    def argv(out: Path) -> list[str]:
        glib = proc.run(["pkg-config", "--cflags", "glib-2.0"]).stdout.split()
        return plugin_argv(glib, out, api)

    version = plugin_version(sha256, api)
    return Plugin(path=_cached(PLUGIN_FILE, version, argv, say), sha256=sha256)


def plugin_version(sha256: str, api: int) -> str:
    """What a plugin in the cache was made of, for :func:`key`."""
    return f"{sha256}-api{api}"


def build_replay(say: cache.Say = cache.ignore) -> Path:
    """The replay driver, compiled if need be. Raises as build_plugin() does."""
    return _cached(REPLAY_FILE, sources_sha256(), replay_argv, say)


def _cached(file: str, version: str, argv: Callable[[Path], list[str]], say: cache.Say) -> Path:
    def make(staging: Path) -> cache.Facts:
        proc.run(argv(staging / file))
        return {}

    store = cache_dir() / cache.Kind.PLUGINS
    return (
        cache.get_or_make(store, key(file, version), make, name=f"model: {file}", say=say).path
        / file
    )


def plugin_argv(glib: list[str], out: Path, api: int) -> list[str]:
    """The compiler's command line for the plugin, with version ``api`` of QEMU's interface."""
    files = [str(path) for path in sorted(SOURCES.glob("*.c")) if path.name != DRIVER]
    shared = ["-fPIC", "-shared", "-fvisibility=hidden", "-flto"]
    flags = [*CFLAGS, f"-DEMB_PLUGIN_API={api}", *shared, *glib]
    return ["gcc", *flags, "-o", str(out), *files, "-lz"]


def replay_argv(out: Path, flags: Sequence[str] = ("-flto",)) -> list[str]:
    """The compiler's command line for the replay driver."""
    files = [str(SOURCES / name) for name in (*REPLAY, *LIBRARY)]
    return ["gcc", *CFLAGS, *flags, "-o", str(out), *files, "-lz"]


def model_options(settings: TrialSettings) -> dict[str, str]:
    """The plugin's options that follow from a trial's settings."""
    return {
        SETTINGS[name].model: setting_text(value)
        for name, value in settings.values.items()
        if SETTINGS[name].model
    }


def replay_options(settings: TrialSettings) -> dict[str, str]:
    """The same for a replay, which has the guest's page-table isolation from the trace."""
    told = model_options(settings)
    del told["pti"]
    return told


def plugin_option(
    plugin: Path,
    out: Path,
    profile: Path,
    options: Mapping[str, object],
    *,
    trace: Path | None = None,
) -> str:
    """The value of QEMU's -plugin. A comma in a path is doubled, as QEMU asks.

    ``options`` are those of ``options.c`` beside the files. ``trace``: record one there, which
    needs exact mode; with ``data`` it also has loads and stores.
    """
    files = {"file": plugin, "out": out, "profile": profile, "trace": trace}
    words = {key: str(path) for key, path in files.items() if path is not None}
    words |= {key: setting_text(value) for key, value in options.items()}
    return ",".join(f"{key}={value.replace(',', ',,')}" for key, value in words.items())
