# SPDX-License-Identifier: GPL-2.0-only
"""The shared definitions: what is asked for, what was read, what is kept.

All are frozen. They are also the schema of the saved files: ``harness.store`` encodes
and decodes them with msgspec, and the published JSON Schema is generated from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

SCHEMA_VERSION = 1
"""Version of ``manifest.json`` and ``records.jsonl``; history in ``harness/store/schema.py``."""


class Status(StrEnum):
    """Whether a reading can be believed. Only ``ok`` and ``scaled`` carry a value."""

    OK = "ok"
    SCALED = "scaled"  # multiplexed: extrapolated from part of the time
    NOT_SUPPORTED = "not_supported"  # the machine, kernel or QEMU has no such thing
    NOT_COUNTED = "not_counted"  # it exists, but nothing was counted
    FAILED = "failed"  # it should have been read and could not be


class Source(StrEnum):
    """Where a reading comes from. Readings of different sources are never compared."""

    MODEL = "model"  # the iTLB model in the QEMU plugin
    PERF = "perf"  # perf stat in the guest
    KERNEL = "kernel"  # files of the guest kernel: /proc, debugfs, bpf(2)
    WORKLOAD = "workload"  # what the workload itself printed or timed
    HOST = "host"  # wall time and the like, taken outside the guest


class Mode(StrEnum):
    """How the guest is executed."""

    EXACT = "exact"  # TCG, one host thread, icount: a pure function of its inputs
    FAST = "fast"  # TCG, one host thread per vCPU
    KVM = "kvm"  # hardware virtualisation


class Counters(StrEnum):
    """Which iTLB counters a trial collects."""

    AUTO = "auto"  # perf where it truly works, else model; never in a trial's spec
    MODEL = "model"
    PERF = "perf"
    BOTH = "both"
    NONE = "none"  # facts only; used to measure the model's own overhead


class TrialStatus(StrEnum):
    """How a trial ended."""

    OK = "ok"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One value with all that is needed to believe it.

    ``value`` is None exactly when ``status`` is neither ok nor scaled; then ``reason``
    says why. ``labels`` tell readings of one name apart (origin, phase, at, window,
    instance ...).
    """

    name: str
    value: int | float | None
    unit: str
    source: Source
    status: Status = Status.OK
    labels: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def __post_init__(self) -> None:
        has_value = self.status in (Status.OK, Status.SCALED)
        if has_value != (self.value is not None):
            raise ValueError(f"reading {self.name}: status {self.status} with value {self.value}")

    @property
    def key(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """What identifies the reading within one trial: name, source, labels."""
        return (self.name, str(self.source), tuple(sorted(self.labels.items())))


def unknown(
    name: str,
    unit: str,
    source: Source,
    status: Status,
    reason: str,
    labels: Mapping[str, str] | None = None,
) -> Reading:
    """A reading without a value; ``reason`` says why there is none."""
    return Reading(
        name=name,
        value=None,
        unit=unit,
        source=source,
        status=status,
        labels=labels or {},
        reason=reason,
    )


class Section(StrEnum):
    """Where a reading stands in a table; the order is the order of the sections."""

    ITLB = "iTLB"
    TEXT = "BPF text and its mappings"
    SHOOTDOWN = "TLB shootdowns"
    DIRECT_MAP = "direct map"
    MEMORY = "memory"
    LOAD = "loading"
    WORK = "work done"
    TESTS = "the kernel's own tests"
    OTHER = "other readings"


class Kind(StrEnum):
    """How a value behaves."""

    COUNT = "count"  # events in a window: also per second and per operation
    LEVEL = "level"  # a state at a moment, or a figure that is a rate already


@dataclass(frozen=True, kw_only=True)
class Quotient:
    """A reading that ``compare`` makes of two others of the same trial: ``of`` by ``per``.

    ``labels`` choose among the readings named ``of``; the quotient has the others.
    """

    of: str
    per: str
    labels: Mapping[str, str] = field(default_factory=dict)
    times: int = 1  # per so many


@dataclass(frozen=True, kw_only=True)
class ReadingSpec:
    """What a reading's name stands for. A workload declares those that it emits, in
    ``[[readings]]`` of its ``workload.toml``; the program's own are in ``harness.metrics``."""

    name: str
    unit: str
    title: str  # a few words for tables
    section: Section = Section.WORK
    kind: Kind = Kind.LEVEL
    better: Literal["", "lower", "higher"] = ""  # "": neither by itself
    meaning: str = ""  # what exactly is counted or measured
    detail: bool = False  # shown in full tables only
    mean_over: str = ""  # label over whose values tables show the mean
    quotient: Quotient | None = None  # not emitted: made by ``compare``


Scalar = bool | int | float | str


@dataclass(frozen=True, kw_only=True)
class VariantSpec:
    """A kernel build: ``configs/variants/<name>.toml``."""

    name: str
    title: str  # a few words for tables
    role: str  # why it is compared
    series: tuple[str, ...] = ()  # folders below configs/patches, applied in order
    kconfig: tuple[str, ...] = ("base.config",)  # fragments below configs/kconfig, on tinyconfig
    base: str = "linux-source-6.1"  # Debian package of the base source
    baseline: bool = False  # ratios are taken against this variant
    order: int = 0  # place in tables, after the baseline
    by_name_only: bool = False  # built when named, not when all variants are: proves, not measures


@dataclass(frozen=True, kw_only=True)
class WorkloadSpec:
    """A workload: ``<folder>/workload.toml``."""

    name: str
    question: str  # the question it answers, one sentence
    module: str  # Python file in the folder with the class Workload
    layers: tuple[str, ...] = ()  # guest image layers beside the base: "bcc"
    params: Mapping[str, Scalar] = field(default_factory=dict)  # defaults of its parameters
    operation: str = "operation"  # what one of its operations is
    watch: str = ""  # kernel symbol executed once per operation; empty: none
    memory_mib: int = 2048  # guest memory it needs
    timeout_s: float = 900.0  # wall time of one trial before it counts as hung
    files: tuple[str, ...] = ()  # built from the kernel's source: "bench", "selftests"
    programs: tuple[str, ...] = ()  # C sources of the folder, made programs in the guest's PATH
    boot: tuple[str, ...] = ()  # words that it needs on the kernel's command line: "lsm=bpf"
    traces: tuple[str, ...] = ()  # events counted in the guest, which the counters see: "tlb_flush"
    needs: tuple[str, ...] = ()  # Kconfig options that it cannot run without: "CONFIG_KPROBES"
    modules: tuple[str, ...] = ()  # names (* and ? stand for any) of modules it loads or needs
    readings: tuple[ReadingSpec, ...] = ()  # that it emits, in the order of the tables


@dataclass(frozen=True, kw_only=True)
class SuiteSpec:
    """A set of trials: ``configs/suites/<name>.toml``."""

    name: str
    title: str
    workloads: tuple[str, ...]
    seeds: tuple[int, ...]
    pti: tuple[str, ...] = ("on", "off")  # "on" boots pti=on, "off" boots nopti
    mode: Mode = Mode.EXACT
    smp: int = 1
    counters: Counters = Counters.AUTO
    profile: str = "skylake-sp"
    pcid: str = "tagged"  # PCID policy of the model: tagged | flush
    kernel_image: str = "tables"  # global bits of its text: tables | pcid, see TrialSpec
    data_side: bool = False  # the model follows loads and stores too
    kaslr: bool = False  # the seed moves the kernel, its direct map and its modules too
    params: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)  # by workload
    kernels: tuple[
        str, ...
    ] = ()  # variants, where the user names none; none: all that are measured


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One boot of one kernel with one workload. Equal specs give equal exact trials."""

    variant: str
    workload: str
    seed: int
    pti: str  # "on" | "off"
    mode: Mode
    smp: int
    counters: Counters
    profile: str
    pcid: str
    memory_mib: int
    params: Mapping[str, Scalar]
    repeat: int = 0  # tells apart trials that are equal on purpose
    # Kernel image's text: global as the guest's tables say, or ("pcid") not global under
    # page-table isolation, as Linux maps it on parts with PCID.
    kernel_image: str = "tables"
    data_side: bool = False  # loads and stores compete for the second level
    kaslr: bool = False  # the seed moves the kernel, its direct map and its modules too

    @property
    def id(self) -> str:
        """Name of the trial in its run, also the folder of its raw output."""
        tail = f"-r{self.repeat}" if self.repeat else ""
        return f"{self.workload}-{self.variant}-pti{self.pti}-s{self.seed}{tail}"


@dataclass(frozen=True, kw_only=True)
class Site:
    """Dynamic text that caused misses: one named program or module, one window."""

    name: str
    origin: str
    stlb_hits: int
    walks_4k: int
    walks_2m_4m: int
    walks_1g: int


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a trial has no result."""

    # panic | oops | hang | lost | early_exit | agent | workload | self_check | protocol
    # | kernel: it lacks what the workload needs and was not booted
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
    failure: Failure | None = None
    notes: tuple[str, ...] = ()  # what the reader must know: "run without -a", ...
    verdicts: Mapping[str, str] = field(default_factory=dict)  # test -> pass | fail | skip
    started: str = ""  # UTC, ISO 8601
    wall_seconds: float = 0.0


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
    counters_reason: str  # why auto chose what it chose
    counters_detail: str = ""  # what the KVM probe's QEMU wrote last, where it did not run
    host: Mapping[str, str]
    command: tuple[str, ...] = ()
    resume: ResumeInputs | None = None  # None: the run is older than this field
    # Readings that each workload declared; a run without them has those of the shipped workloads.
    readings: Mapping[str, tuple[ReadingSpec, ...]] = field(default_factory=dict)
