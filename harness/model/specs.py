# SPDX-License-Identifier: GPL-2.0-only
"""What is asked for: variants, workloads, suites, trials."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Self

from msgspec import Meta

from harness.model.reading_spec import ReadingSpec
from harness.model.trial_settings import SuiteSettings, TrialSettings

Scalar = bool | int | float | str


@dataclass(frozen=True, kw_only=True)
class VariantSpec:
    """A kernel build: ``configs/variants/<name>.toml``."""

    name: str
    title: str  # a few words for tables
    role: str  # why it is compared
    series: tuple[str, ...] = ()  # folders below configs/patches, applied in order
    patches: int | None = None  # the first so many of them; None: all
    kconfig: tuple[str, ...] = ("base.config",)  # fragments below configs/kconfig, on tinyconfig
    boot: tuple[str, ...] = ()  # words on its command line that the others do not get
    base: str = "linux-source-6.1"  # Debian package of the base source
    baseline: bool = False  # ratios are taken against this variant
    order: int = 0  # place in tables, after the baseline
    by_name_only: bool = False  # built when named, not when all variants are: proves, not measures


@dataclass(frozen=True, kw_only=True)
class WorkloadSpec:
    """A workload: ``<folder>/workload.toml``."""

    name: str
    question: str  # the question it answers, one sentence
    # Python file in the folder with the class Workload
    module: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\.py$")]
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
