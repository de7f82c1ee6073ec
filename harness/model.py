# SPDX-License-Identifier: GPL-2.0-only
"""The shared definitions: what is asked for, what was read, what is kept.

All are frozen. They are also the schema of the saved files: ``harness.store`` encodes
and decodes them with msgspec, and the published JSON Schema is generated from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from msgspec import Meta

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


class Pti(StrEnum):
    """Page-table isolation in the guest."""

    ON = "on"  # booted with pti=on
    OFF = "off"  # booted with nopti


class Pcid(StrEnum):
    """What the model does to non-global entries when the guest changes its page table."""

    TAGGED = "tagged"  # keep them under six address-space tags, as Linux on CPUs with PCID
    FLUSH = "flush"  # flush them, as CPUs without PCID


class KernelImage(StrEnum):
    """Whether the model takes the kernel image's text for global."""

    TABLES = "tables"  # as the guest's page tables say
    PCID = "pcid"  # not under page-table isolation, as Linux maps it on CPUs with PCID


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
class Setting:
    """What the program knows of a setting beside its name and its type."""

    help: str  # of its option, one sentence
    default: Any = None  # of suites that do not give it; None: the field's own default
    title: str = ""  # in tables; empty: the field's name
    unit: str = ""  # after its value in tables
    swept: bool = False  # a suite lists values of it and has trials with each
    only_if_changed: bool = False  # tables leave it out where it has its default
    label: bool = True  # exported samples have it as a label
    replay: bool = False  # a replay of page traces may change it
    model: str = ""  # option of the iTLB model (plugin and replay) that takes it


@dataclass(frozen=True, kw_only=True)
class SuiteSettings:
    """Settings of a trial that its suite or the user chooses.

    A setting is defined here and nowhere else: options of the command line, keys of suites,
    the trial matrix, comparability, tables and exports loop over these fields, in this order.
    A field that is added takes a default: what trials recorded before it were run with.
    """

    pti: Pti = field(
        metadata={
            "setting": Setting(
                help="Page-table isolation (PTI) in the guest: boot with pti=on or nopti.",
                default=(Pti.ON, Pti.OFF),
                swept=True,
                model="pti",
            )
        }
    )
    pcid: Pcid = field(
        metadata={
            "setting": Setting(
                help="Address-space tags (PCID) in the model: tagged, as Linux on CPUs with PCID; "
                "flush, non-global entries are flushed when the page table changes.",
                default=Pcid.TAGGED,
                replay=True,
                model="pcid",
            )
        }
    )
    kernel_image: KernelImage = field(
        default=KernelImage.TABLES,
        metadata={
            "setting": Setting(
                help="Global bit of the kernel image's text in the model: tables, as the guest's "
                "page tables say; pcid, not global with isolation, as on CPUs with PCID.",
                only_if_changed=True,
                replay=True,
                model="kernel_image",
            )
        },
    )
    data_side: bool = field(
        default=False,
        metadata={
            "setting": Setting(
                help="Model the data TLB too: loads and stores compete for a shared second level. "
                "Slow.",
                only_if_changed=True,
                model="data",
            )
        },
    )
    kaslr: bool = field(
        default=False,
        metadata={
            "setting": Setting(
                help="Randomise kernel addresses (KASLR), seeded by the trial's seed.",
                only_if_changed=True,
            )
        },
    )
    profile: str = field(
        metadata={
            "setting": Setting(
                help="CPU whose TLBs the model has: a profile that `execmem-bench list` names.",
                default="skylake-sp",
            )
        }
    )
    mode: Mode = field(
        metadata={
            "setting": Setting(
                help="How QEMU runs the guest: exact, emulated by instruction count and "
                "bit-identical; fast, emulated on one host thread per vCPU; kvm, on the hardware.",
                default=Mode.EXACT,
            )
        }
    )
    smp: Annotated[int, Meta(ge=1, le=16)] = field(
        metadata={"setting": Setting(help="Number of vCPUs.", default=1)}
    )
    counters: Counters = field(
        metadata={
            "setting": Setting(
                help="Source of iTLB counts: model, perf, both, none (facts only); auto: perf "
                "where KVM and its PMU work, else the model.",
                default=Counters.AUTO,
            )
        }
    )


@dataclass(frozen=True, kw_only=True)
class TrialSettings(SuiteSettings):
    """All settings of a trial: those of its suite, and what its workload needs."""

    memory_mib: int = field(
        metadata={
            "setting": Setting(help="Guest memory.", title="memory", unit=" MiB", label=False)
        }
    )

    @property
    def values(self) -> dict[str, Any]:
        """Value of each setting by name, in the order of ``SETTINGS``."""
        return {name: getattr(self, name) for name in SETTINGS}


def _settings(cls: type[SuiteSettings]) -> dict[str, Setting]:
    """The definitions of the settings of ``cls``, with name and default filled in."""
    found = {}
    for one in fields(cls):
        setting: Setting = one.metadata["setting"]
        default = one.default if setting.default is None else setting.default
        found[one.name] = replace(setting, title=setting.title or one.name, default=default)
    return found


SUITE_SETTINGS: Mapping[str, Setting] = _settings(SuiteSettings)
"""Settings that a suite gives and the user may override, by name."""

SETTINGS: Mapping[str, Setting] = _settings(TrialSettings)
"""All settings of a trial, by name, in the order of tables and columns."""


def setting_text(value: object) -> str:
    """The value of a setting as options, suites, tables and exports write it."""
    return ("off", "on")[value] if isinstance(value, bool) else str(value)


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
    memory_mib: Annotated[int, Meta(ge=256, le=1 << 20)] = 2048  # guest memory it needs
    timeout_s: Annotated[float, Meta(gt=0, le=7 * 86400)] = 900.0  # wall time before it has hung
    files: tuple[str, ...] = ()  # built from the kernel's source: "bench", "selftests"
    programs: tuple[str, ...] = ()  # C sources of the folder, made programs in the guest's PATH
    boot: tuple[str, ...] = ()  # words that it needs on the kernel's command line: "lsm=bpf"
    traces: tuple[str, ...] = ()  # events counted in the guest, which the counters see: "tlb_flush"
    needs: tuple[str, ...] = ()  # Kconfig options that it cannot run without: "CONFIG_KPROBES"
    modules: tuple[str, ...] = ()  # names (* and ? stand for any) of modules it loads or needs
    readings: tuple[ReadingSpec, ...] = ()  # that it emits, in the order of the tables
    by_name_only: bool = False  # run when named, not with all workloads: proves, does not measure


MAX_SEEDS = 1000
"""Seeds of one run: an interval over more of them is no narrower than anybody needs."""


@dataclass(frozen=True, kw_only=True)
class SuiteSpec:
    """A set of trials: ``configs/suites/<name>.toml``, which has the settings as keys."""

    name: str
    title: str
    workloads: Annotated[tuple[str, ...], Meta(min_length=1)]
    seeds: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=2**31 - 1)], ...],
        Meta(min_length=1, max_length=MAX_SEEDS),
    ]
    # One for each combination of the swept settings' values; the others are equal in all.
    settings: tuple[SuiteSettings, ...]
    params: Mapping[str, Mapping[str, Scalar]] = field(default_factory=dict)  # by workload
    # Variants, where the user names none; none: all that are measured.
    kernels: tuple[str, ...] = ()

    @property
    def shared(self) -> SuiteSettings:
        """The settings that all its trials share; a swept one has its first value."""
        return self.settings[0]

    def with_settings(self, **changes: Any) -> Self:
        """The suite with ``changes`` to the settings of all its trials."""
        changed = dict.fromkeys(replace(one, **changes) for one in self.settings)
        return replace(self, settings=tuple(changed))


@dataclass(frozen=True, kw_only=True)
class TrialSpec(TrialSettings):
    """One boot of one kernel with one workload. Equal specs give equal exact trials."""

    variant: str
    workload: str
    seed: int
    params: Mapping[str, Scalar]
    repeat: int = 0  # tells apart trials that are equal on purpose

    @property
    def id(self) -> str:
        """Name of the trial in its run, also the folder of its raw output."""
        tail = f"-r{self.repeat}" if self.repeat else ""
        return f"{self.workload}-{self.variant}-pti{self.pti}-s{self.seed}{tail}"


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
    # The question of each workload; a run without them has those of the shipped workloads.
    questions: Mapping[str, str] = field(default_factory=dict)
