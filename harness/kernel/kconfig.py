# SPDX-License-Identifier: GPL-2.0-only
"""Kconfig fragments: parse, merge, and check what Kconfig made of them."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from harness import cache
from harness.errors import UserError

_SET = re.compile(r"^(CONFIG_\w+)=(.+)$")
_UNSET = re.compile(r"^# (CONFIG_\w+) is not set$")

Options = dict[str, str]
"""Option -> value as written after ``=``; ``n`` for "is not set"."""


def parse(lines: Iterable[str], where: str) -> Options:
    """The options of a fragment or a .config; a later line wins.

    Raises UserError naming ``where``, the line number and the line when a line is neither
    an option nor a comment.
    """
    options: Options = {}
    for number, raw in enumerate(lines, 1):
        line = raw.rstrip()
        if match := _SET.match(line):
            options[match[1]] = match[2]
        elif match := _UNSET.match(line):
            options[match[1]] = "n"
        elif line and not line.startswith("#"):
            raise UserError(
                f"{where}:{number}: {line!r} is not a Kconfig line",
                "write CONFIG_NAME=value or # CONFIG_NAME is not set",
            )
    return options


def merge(layers: Iterable[Mapping[str, str]]) -> Options:
    """All ``layers``, later ones laid over earlier ones."""
    merged: Options = {}
    for layer in layers:
        merged.update(layer)
    return merged


@dataclass(frozen=True, kw_only=True)
class Differences:
    """How a base's Kconfig differs from the fragments, which are written for the oldest base.

    ``configs/kconfig/<base>.toml``. An option that is left out says why.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)  # name in the fragments -> its name
    left_out: Mapping[str, str] = field(default_factory=dict)  # name in the fragments -> reason
    added: Mapping[str, str] = field(default_factory=dict)  # name -> value


def adapt(options: Mapping[str, str], differences: Differences) -> Options:
    """``options`` as the base of ``differences`` calls them."""
    kept = {
        differences.renamed.get(name, name): value
        for name, value in options.items()
        if name not in differences.left_out
    }
    return merge([kept, differences.added])


def render(options: Mapping[str, str]) -> str:
    """A .config of ``options``, sorted by name."""
    return "".join(
        f"# {name} is not set\n" if value == "n" else f"{name}={value}\n"
        for name, value in sorted(options.items())
    )


def digest(options: Mapping[str, str], without: Collection[str] = ()) -> str:
    """SHA-256 of the ``options`` that are set, but those in ``without``."""
    kept = {n: value for n, value in options.items() if value != "n" and n not in without}
    return cache.sha256_bytes(render(kept).encode())


@dataclass(frozen=True, kw_only=True)
class Refused:
    """An option that Kconfig did not take over; ``generated`` is ``n`` when it is not set."""

    option: str
    wanted: str
    generated: str

    def __str__(self) -> str:
        return f"{self.option} (wanted {self.wanted}, got {self.generated})"


def refused(wanted: Mapping[str, str], generated: Mapping[str, str]) -> tuple[Refused, ...]:
    """Which of ``wanted`` differ in the ``generated`` .config, sorted by name."""
    return tuple(
        Refused(option=name, wanted=value, generated=generated.get(name, "n"))
        for name, value in sorted(wanted.items())
        if generated.get(name, "n") != value
    )


def difference(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    """How many options differ between two configurations."""
    return sum(one.get(n, "n") != other.get(n, "n") for n in {*one, *other})


BOOTABLE: Mapping[str, str] = {
    "CONFIG_64BIT": "a 64-bit kernel",
    "CONFIG_BLK_DEV_INITRD": "the guest's root is an initramfs",
    "CONFIG_BINFMT_ELF": "the guest runs ELF programs",
    "CONFIG_BINFMT_SCRIPT": "the guest runs scripts",
    "CONFIG_DEVTMPFS": "the guest's /dev",
    "CONFIG_PROC_FS": "the guest's /proc",
    "CONFIG_SYSFS": "the guest's /sys",
    "CONFIG_SERIAL_8250_CONSOLE": "results leave over 8250 ports",
    "CONFIG_BPF_SYSCALL": "there is nothing to measure without BPF",
    "CONFIG_BPF_JIT": "only JITed programs use executable memory",
}
"""Options a kernel of the user's own must have built in, and why."""


def lacking(config: Mapping[str, str]) -> tuple[str, ...]:
    """Which of ``BOOTABLE`` are not built into a kernel with this .config."""
    return tuple(name for name in BOOTABLE if config.get(name, "n") != "y")


def unmet(
    config: Mapping[str, str], needs: Iterable[str], *, with_modules: bool
) -> tuple[str, ...]:
    """Which of ``needs`` a kernel with this .config does not have: neither built in nor,
    where its modules are at hand (``with_modules``), as a module."""
    enough = ("y", "m") if with_modules else ("y",)
    return tuple(name for name in needs if config.get(name, "n") not in enough)
