# SPDX-License-Identifier: GPL-2.0-only
"""The plugin's report: decoded, checked, attributed, and turned into readings."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from harness.counters.facts.text import TextMap
from harness.errors import DataError, TrialError
from harness.model import Reading, Site, Source, Status, unknown

SCHEMA = 1
TOP_SITES = 20

ORIGINS = (
    "user",
    "kernel_image",
    "bpf_prog",
    "bpf_trampoline",
    "bpf_dispatcher",
    "ftrace_trampoline",
    "kprobe",
    "module",
    "other",
)


class VcpuCounts(msgspec.Struct, forbid_unknown_fields=True):
    """One vCPU in one window. All are event counts."""

    vcpu: int
    lookups: int
    l1_hits: int
    stlb_hits: int
    walks_4k: int
    walks_2m: int
    walks_1g: int
    walks_not_mapped: int
    insns_kernel: int
    insns_user: int
    flushes: dict[str, int]


class WatchCount(msgspec.Struct):
    """Executions of the instruction at one address."""

    address: str
    count: int


class SiteCount(msgspec.Struct):
    """Misses by the address whose fetch missed (the page, in user text)."""

    address: str
    user: bool
    is_global: bool = msgspec.field(name="global")
    page: str
    stlb_hits: int
    walks: int


class Window(msgspec.Struct):
    """One measured window; number 0 is the whole run."""

    id: int
    vcpus: list[VcpuCounts]
    watch: list[WatchCount]
    sites: list[SiteCount]


class SelfCheck(msgspec.Struct):
    """A check that the plugin made on its own counts."""

    name: str
    ok: bool
    detail: str


class Report(msgspec.Struct):
    """The whole report."""

    schema: int
    profile: dict[str, object]
    policy: dict[str, object]
    qemu: dict[str, object]
    vcpus: int
    windows: list[Window]
    unclosed: list[int]
    self_checks: list[SelfCheck]


def decode(data: bytes) -> Report:
    """The report from its JSON. Raises TrialError for one that cannot be trusted."""
    if not data:
        raise TrialError("the iTLB model wrote no report")
    try:
        report = msgspec.json.decode(data, type=Report)
    except msgspec.DecodeError as error:
        raise TrialError(f"the iTLB model's report: {error}") from error
    if report.schema != SCHEMA:
        raise TrialError(f"the iTLB model's report has schema {report.schema}, not {SCHEMA}")
    if report.unclosed:
        raise TrialError(f"window {report.unclosed[0]} was never closed")
    for check in report.self_checks:
        if not check.ok:
            raise TrialError(f"the iTLB model's own check failed: {check.name} {check.detail}")
    return report


@dataclass(frozen=True, kw_only=True)
class Attributed:
    """Misses of one origin."""

    stlb_hits: int = 0
    walks_4k: int = 0
    walks_2m: int = 0
    walks_1g: int = 0

    def plus(self, site: SiteCount) -> "Attributed":
        """With the misses of ``site`` added."""
        walks = {"4k": 0, "2m": 0, "1g": 0, site.page: site.walks}
        return Attributed(
            stlb_hits=self.stlb_hits + site.stlb_hits,
            walks_4k=self.walks_4k + walks["4k"],
            walks_2m=self.walks_2m + walks["2m"],
            walks_1g=self.walks_1g + walks["1g"],
        )


def attribute(
    sites: Sequence[SiteCount], text_map: TextMap
) -> tuple[dict[str, Attributed], dict[tuple[str, str], Attributed]]:
    """Misses by origin, and by (origin, name) of named text."""
    by_origin: dict[str, Attributed] = {origin: Attributed() for origin in ORIGINS}
    by_name: dict[tuple[str, str], Attributed] = defaultdict(Attributed)
    for site in sites:
        origin, name = ("user", "") if site.user else text_map.find(int(site.address, 16))
        by_origin[origin] = by_origin[origin].plus(site)
        if name:
            by_name[origin, name] = by_name[origin, name].plus(site)
    return by_origin, dict(by_name)


def top(by_name: Mapping[tuple[str, str], Attributed], count: int = TOP_SITES) -> tuple[Site, ...]:
    """The ``count`` named texts with the most misses, walks first."""
    sites = [
        Site(
            name=name,
            origin=origin,
            stlb_hits=a.stlb_hits,
            walks_4k=a.walks_4k,
            walks_2m_4m=a.walks_2m,
            walks_1g=a.walks_1g,
        )
        for (origin, name), a in by_name.items()
    ]
    sites.sort(key=lambda s: (-(s.walks_4k + s.walks_2m_4m + s.walks_1g), -s.stlb_hits, s.name))
    return tuple(sites[:count])


def readings(
    window: Window, label: str, text_map: TextMap | None, why_not: str
) -> tuple[list[Reading], tuple[Site, ...]]:
    """Readings of one window and its top named texts.

    Without ``text_map`` the origins are not_supported, for the reason ``why_not``.
    Raises DataError when the origins do not add up to the totals.
    """
    out: list[Reading] = []

    def add(name: str, value: int, unit: str = "event", **labels: str) -> None:
        out.append(
            Reading(
                name=name,
                value=value,
                unit=unit,
                source=Source.MODEL,
                labels={"window": label, **labels},
            )
        )

    def total(field: str) -> int:
        return sum(int(getattr(vcpu, field)) for vcpu in window.vcpus)

    whole = Attributed(
        stlb_hits=total("stlb_hits"),
        walks_4k=total("walks_4k"),
        walks_2m=total("walks_2m"),
        walks_1g=total("walks_1g"),
    )
    add("itlb.lookups", total("lookups"))
    add("itlb.l1_hit", total("l1_hits"))
    add("itlb.not_mapped", total("walks_not_mapped"))
    _add_origin(add, "all", whole)
    add("insn.kernel", total("insns_kernel"), "instruction")
    add("insn.user", total("insns_user"), "instruction")
    for kind in window.vcpus[0].flushes if window.vcpus else ():
        add(f"itlb.flush.{kind}", sum(v.flushes[kind] for v in window.vcpus))
    if window.watch:
        add("ops", window.watch[0].count, "operation")
    if text_map is None:
        for origin in ORIGINS:
            for name in ORIGIN_NAMES:
                out.append(
                    unknown(
                        name,
                        "event",
                        Source.MODEL,
                        Status.NOT_SUPPORTED,
                        why_not,
                        {"window": label, "origin": origin},
                    )
                )
        return out, ()
    by_origin, by_name = attribute(window.sites, text_map)
    for field in ("stlb_hits", "walks_4k", "walks_2m", "walks_1g"):
        summed = sum(getattr(a, field) for a in by_origin.values())
        if summed != getattr(whole, field):
            raise DataError(f"{field} by origin add up to {summed}, not {getattr(whole, field)}")
    for origin, counts in by_origin.items():
        _add_origin(add, origin, counts)
    return out, top(by_name)


ORIGIN_NAMES = (
    "itlb.stlb_hit",
    "itlb.walk_completed_4k",
    "itlb.walk_completed_2m_4m",
    "itlb.walk_completed_1g",
    "itlb.walks",
)


def _add_origin(add, origin: str, a: Attributed) -> None:  # type: ignore[no-untyped-def]
    values = (a.stlb_hits, a.walks_4k, a.walks_2m, a.walks_1g, a.walks_4k + a.walks_2m + a.walks_1g)
    for name, value in zip(ORIGIN_NAMES, values, strict=True):
        add(name, value, origin=origin)
