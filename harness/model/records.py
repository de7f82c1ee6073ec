# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of a run: its manifest and a record for each trial."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from harness.model.reading import Reading
from harness.model.reading_spec import ReadingSpec
from harness.model.specs import TrialSpec

SCHEMA_VERSION = 1
"""Version of ``manifest.json`` and ``records.jsonl``; history in ``harness/store/schema.py``."""


class TrialStatus(StrEnum):
    """How a trial ended."""

    OK = "ok"
    FAILED = "failed"


MAX_SITES = 20
"""Texts that a trial names for each window, at most."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Dynamic text that caused misses: one named program or module, one window."""

    name: str
    origin: str
    stlb_hits: int
    walks_4k: int
    walks_2m_4m: int
    walks_1g: int
    walks_coalesced_4k: int = 0  # walks that found four adjacent 4 kB pages for one entry


class TextPage(NamedTuple):
    """A page that holds text of BPF programs."""

    place: int  # where it begins: 4 kB pages from TextPages.base on
    size: int  # of the page, in 4 kB
    used: int  # bytes of it that are text of programs
    in_image: bool  # the kernel image's own last page
    programs: tuple[tuple[int, int], ...]  # place of a name in TextPages.names, programs of it


@dataclass(frozen=True, kw_only=True)
class TextPages:
    """Which pages held BPF programs when the window closed, in the order of their addresses.

    A program that reaches over two pages is in both.
    """

    base: str  # address, hexadecimal: the first page's, down to 2 MB
    names: tuple[str, ...]  # of programs, without the numbers that tell copies apart
    pages: tuple[TextPage, ...]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a trial has no result."""

    # panic | oops | kasan | lockdep | lockup | hung_task | hang | flood | lost | agent | workload
    # | self_check | protocol ..., or kernel: it lacks what the workload needs and was not booted
    kind: str
    message: str
    console_tail: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """A line of ``records.jsonl``."""

    schema: int
    trial: str  # TrialSpec.id
    spec: TrialSpec
    status: TrialStatus
    readings: tuple[Reading, ...] = ()
    windows: Mapping[str, str] = field(default_factory=dict)  # window number -> label
    sites: tuple[Site, ...] = ()  # top dynamic text by misses
    text_pages: TextPages | None = None  # None: not known, or the record is older
    failure: Failure | None = None
    notes: tuple[str, ...] = ()  # what the reader must know: "run without -a", ...
    # Warnings of the guest's kernel; the readings stand. None: not known, as of a trial that failed
    # and in older runs, which have them among the notes.
    taints: tuple[str, ...] | None = None
    verdicts: Mapping[str, str] = field(default_factory=dict)  # test -> pass | fail | skip
    started: str = ""  # UTC, ISO 8601
    wall_seconds: float = 0.0
    machine: str = ""  # who computed it, where several machines make one run


@dataclass(frozen=True, kw_only=True)
class KernelIdentity:
    """What was booted, by content."""

    name: str  # variant or file name
    image_sha256: str
    config_sha256: str = ""  # of the options, without those that the variant's series brings
    series_sha256: str = ""
    base: str = ""  # version of the base source, e.g. "6.1.192"
    base_sha256: str = ""
    compiler: str = ""
    release: str = ""  # uname -r as the image says
    boot: tuple[str, ...] = ()  # words on its command line that other kernels do not get

    @property
    def booted(self) -> str:
        """The image and how it is booted: equal for what cannot differ in what it does."""
        return " ".join((self.image_sha256, *self.boot))


@dataclass(frozen=True, kw_only=True)
class ResumeInputs:
    """What ``--resume`` needs beside the rest of the manifest, as it is on that machine."""

    kernels: Mapping[str, str]  # name -> variant, or absolute path of an image, tree or package
    workloads: Mapping[str, str]  # those not shipped: name -> absolute path of the folder
    kernel_source: str = ""  # KERNEL_SRC, as absolute paths
    trace: bool = False  # each trial's page trace is kept


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """``manifest.json``: the provenance of a run, written before its first trial."""

    schema: int
    run: str
    created: str  # UTC, ISO 8601
    suite: str
    program_version: str
    program_commit: str  # git describe of the checkout, "" outside one
    baseline: str  # variant that ratios are taken against
    kernels: tuple[KernelIdentity, ...]
    trials: tuple[TrialSpec, ...]
    image_sha256: Mapping[str, str]  # layer -> hash
    plugin_sha256: str
    bench_sha256: str
    selftests_sha256: str = ""  # of the base's BPF self-tests, where a workload runs them
    profile_sha256: str
    workload_sha256: Mapping[str, str]
    qemu_version: str
    qemu_sha256: str = ""  # of the program; "" where nothing runs in QEMU, and in older runs
    # Name and version of the packages that have a part in a result, by where they are: python,
    # host, guest.
    packages: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    counters_reason: str  # why auto chose what it chose
    counters_detail: str = ""  # what the KVM probe's QEMU wrote last, where it did not run
    host: Mapping[str, str]
    command: tuple[str, ...] = ()
    resume: ResumeInputs | None = None  # None: the run is older than this field
    # Readings that each workload declared; a run without them has those of the shipped workloads.
    readings: Mapping[str, tuple[ReadingSpec, ...]] = field(default_factory=dict)
    # The question of each workload; a run without them has those of the shipped workloads.
    questions: Mapping[str, str] = field(default_factory=dict)
