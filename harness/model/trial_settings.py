# SPDX-License-Identifier: GPL-2.0-only
"""The settings of a trial: each a field with its type, its help and its default."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta


class Mode(StrEnum):
    """How the guest is executed."""

    EXACT = "exact"  # TCG, one host thread, icount: a pure function of its inputs
    FAST = "fast"  # TCG, one host thread per vCPU
    KVM = "kvm"  # hardware virtualisation
    LOCAL = "local"  # no guest: the kernel that is running, KERNEL=local


class Counters(StrEnum):
    """Which iTLB counters a trial collects."""

    AUTO = "auto"  # perf where it truly works, else model; never in a trial's spec
    MODEL = "model"
    PERF = "perf"
    HOST = "host"  # perf on the host, of the guest alone
    BOTH = "both"
    NONE = "none"  # facts only; used to measure the model's own overhead

    @property
    def by_model(self) -> bool:
        """Whether the model counts."""
        return self in (Counters.MODEL, Counters.BOTH)

    @property
    def by_hardware(self) -> bool:
        """Whether perf counts, in the guest or on the host."""
        return self in (Counters.PERF, Counters.HOST, Counters.BOTH)


class Pti(StrEnum):
    """Page-table isolation in the guest."""

    ON = "on"  # booted with pti=on
    OFF = "off"  # booted with nopti


class Pcid(StrEnum):
    """What the model does to non-global entries when the guest changes its page table."""

    TAGGED = "tagged"  # keep them under six address-space tags, as Linux on CPUs with PCID
    FLUSH = "flush"  # flush them, as CPUs without PCID


class HostPage(StrEnum):
    """Pages that the host maps guest memory with, under the guest's own: nested paging."""

    LARGE = "2m"  # as large as the guest's: an entry has the size of the guest's page
    SMALL = "4k"  # no entry is larger: nx_huge_pages of KVM, on hosts with the erratum


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
    modelled: bool = False  # the model's alone: without it, it says nothing of a trial


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
                modelled=True,
            )
        }
    )
    host_page: HostPage = field(
        default=HostPage.LARGE,
        metadata={
            "setting": Setting(
                help="Pages that the host maps guest memory with, in the model: 2m, entries are as "
                "large as the guest's pages; 4k, the host splits them and no entry is larger.",
                replay=True,
                model="host_page",
                modelled=True,
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
                replay=True,
                model="data",
                modelled=True,
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
                modelled=True,
            )
        }
    )
    mode: Mode = field(
        metadata={
            "setting": Setting(
                help="How QEMU runs the guest: exact, emulated by instruction count and "
                "bit-identical; fast, emulated on one host thread per vCPU; kvm, on the hardware; "
                "local, no guest (what KERNEL=local is).",
                default=Mode.EXACT,
            )
        }
    )
    smp: Annotated[int, Meta(ge=1, le=64)] = field(
        metadata={"setting": Setting(help="Number of vCPUs.", default=1)}
    )
    numa_nodes: Annotated[int, Meta(ge=1, le=8)] = field(
        default=1,
        metadata={
            "setting": Setting(
                help="Number of NUMA nodes of the guest, which share its memory and vCPUs.",
                title="NUMA nodes",
                only_if_changed=True,
            )
        },
    )
    counters: Counters = field(
        metadata={
            "setting": Setting(
                help="Source of iTLB counts: model; perf, in the guest; host, perf on the host "
                "of a KVM guest without a PMU; both, model and perf; none, facts only; auto: perf "
                "where KVM and its PMU work, else the model.",
                default=Counters.AUTO,
            )
        }
    )
    memory_mib: Annotated[int, Meta(ge=0, le=1 << 20)] = field(
        metadata={
            "setting": Setting(
                help="Guest memory in MiB; 0: what the workload asks for.",
                default=0,
                title="memory",
                unit=" MiB",
                label=False,
            )
        },
    )


@dataclass(frozen=True, kw_only=True)
class TrialSettings(SuiteSettings):
    """All settings of a trial: those of its suite, and what its workload needs."""

    # A machine that is measured without a guest may have more CPUs than a guest can.
    smp: Annotated[int, Meta(ge=1, le=8192)] = field(
        metadata=SuiteSettings.__dataclass_fields__["smp"].metadata
    )
    memory_mib: int = field(metadata=SuiteSettings.__dataclass_fields__["memory_mib"].metadata)

    @property
    def values(self) -> dict[str, Any]:
        """Value of each setting by name, in the order of ``SETTINGS``."""
        return {name: getattr(self, name) for name in SETTINGS}


def _settings(cls: type[SuiteSettings]) -> dict[str, Setting]:
    """The definitions of the settings of ``cls``, with name and default filled in."""
    by_name = {}
    for one in fields(cls):
        setting: Setting = one.metadata["setting"]
        default = one.default if setting.default is None else setting.default
        by_name[one.name] = replace(setting, title=setting.title or one.name, default=default)
    return by_name


SUITE_SETTINGS: Mapping[str, Setting] = _settings(SuiteSettings)
"""Settings that a suite gives and the user may override, by name."""


SETTINGS: Mapping[str, Setting] = _settings(TrialSettings)
"""All settings of a trial, by name, in the order of tables and columns."""


def setting_text(value: object) -> str:
    """The value of a setting as options, suites, tables and exports write it."""
    return ("off", "on")[value] if isinstance(value, bool) else str(value)
