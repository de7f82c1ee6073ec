# SPDX-License-Identifier: GPL-2.0-only
"""One thing that was looked at, and what it is needed for."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it is."""

    OK = "ok"
    NOTE = "note"  # it adds noise, or changes what a figure means
    WRONG = "wrong"  # what needs it cannot be done
    UNKNOWN = "unknown"  # it could not be found out: neither good nor bad


class Use(StrEnum):
    """What the machine can be asked to do."""

    BUILD = "build"  # kernels, guest image, plugin
    EXACT = "exact"  # guests emulated by instruction count, with the model
    FAST = "fast"  # emulated, one host thread a vCPU
    KVM = "kvm"  # guests on the hardware
    PERF = "perf"  # hardware counters in a guest
    HOST = "host"  # hardware counters of the host, for a guest
    LOCAL = "local"  # the kernel that is running, without a guest


class Area(StrEnum):
    """Headings."""

    PROGRAMS = "programs and room"
    KVM = "KVM"
    PMU = "hardware counters"
    NOISE = "noise, where the hardware measures (exact mode has none)"


EMULATED = frozenset({Use.EXACT, Use.FAST})
HARDWARE = frozenset({Use.KVM, Use.PERF})
GUESTS = EMULATED | HARDWARE


@dataclass(frozen=True, kw_only=True)
class Finding:
    """``found`` beside ``wanted``; ``why`` it matters and the ``fix``, a command where there is
    one. ``needed_by``: what cannot be done while it is wrong; ``says`` so in a sentence.
    ``writes``: files and values by which ``tune`` mends it."""

    name: str
    area: Area
    title: str
    level: Level
    found: str
    wanted: str
    why: str
    fix: str = ""
    needed_by: frozenset[Use] = frozenset()
    says: str = ""
    writes: tuple[tuple[str, str], ...] = ()
    detail: str = ""  # the words of a program that was run to find out
