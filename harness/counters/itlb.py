# SPDX-License-Identifier: GPL-2.0-only
"""The plugin's report: decoded, checked, attributed, and turned into readings."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from harness.counters.attribution import ORIGINS, Finder, Misses, PageSize, attribute, of_site, top
from harness.counters.facts.calls import MAX_WATCH
from harness.counters.facts.snapshots import Address, Count, Snapshot, check_snapshot
from harness.errors import DataError, TrialError
from harness.metrics.catalogue import read_by
from harness.metrics.metric import Metric
from harness.metrics.readers import DataSum, Flushes, MissesByOrigin, Operations, WindowSum
from harness.model.reading import Reading, Source, Status, unknown
from harness.model.records import Site

SCHEMA = 2
"""Reports of schema 1 have neither snapshots nor counted calls; they are refused, in one line."""
WHOLE_RUN = 0  # number of the window that is always there


class VcpuCounts(msgspec.Struct, forbid_unknown_fields=True):
    """One vCPU in one window. All are event counts."""

    vcpu: Count
    lookups: Count
    l1_hits: Count
    stlb_hits: Count
    walks_4k: Count
    walks_2m: Count
    walks_1g: Count
    walks_not_mapped: Count
    insns_kernel: Count
    insns_user: Count
    flushes: dict[str, Count]
    walks_16k: Count | None = None  # None: this CPU has no entries for four pages of 4 kB

    @property
    def misses(self) -> Misses:
        """What sites account for."""
        return Misses(
            stlb_hits=self.stlb_hits,
            walks_4k=self.walks_4k,
            walks_16k=self.walks_16k or 0,
            walks_2m=self.walks_2m,
            walks_1g=self.walks_1g,
        )


class DataCounts(msgspec.Struct):
    """Loads and stores of one vCPU in one window. All are event counts."""

    vcpu: Count
    lookups: Count
    l1_hits: Count
    stlb_hits: Count
    walks_4k: Count
    walks_2m: Count
    walks_1g: Count
    walks_not_mapped: Count
    walks_16k: Count = 0

    @property
    def found(self) -> int:
        """Lookups by what they found."""
        walks = self.walks_4k + self.walks_16k + self.walks_2m + self.walks_1g
        return self.l1_hits + self.stlb_hits + walks + self.walks_not_mapped


class WatchCount(msgspec.Struct):
    """Executions of the instruction at one address."""

    address: Address
    count: Count
    exact: bool  # it had been armed when the window was opened


class SiteCount(msgspec.Struct):
    """Misses by the address whose fetch missed (the page, in user text)."""

    address: Address
    user: bool
    is_global: bool = msgspec.field(name="global")
    page: PageSize
    stlb_hits: Count
    walks: Count


class Window(msgspec.Struct):
    """One measured window; number 0 is the whole run."""

    id: Count
    vcpus: list[VcpuCounts]
    watch: list[WatchCount]
    sites: list[SiteCount]
    data: list[DataCounts] = []  # empty: loads and stores were not followed

    @property
    def totals(self) -> Misses:
        """The misses of all vCPUs."""
        return sum((vcpu.misses for vcpu in self.vcpus), Misses())

    @property
    def coalesces(self) -> bool:
        """Whether this CPU has entries for four pages of 4 kB."""
        return any(vcpu.walks_16k is not None for vcpu in self.vcpus)


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
    vcpus: Annotated[int, Meta(ge=1)]
    windows: list[Window]
    unclosed: list[int]
    self_checks: list[SelfCheck]
    watched: Annotated[list[Address], Meta(max_length=MAX_WATCH)]
    snapshots: list[Snapshot]

    @property
    def taken(self) -> dict[int, Snapshot]:
        """The snapshots by number."""
        return {one.id: one for one in self.snapshots}


def decode(data: bytes) -> Report:
    """The report from its JSON. Raises TrialError for one that cannot be trusted.

    The plugin's own checks are made again: a report that was cut or mended is not believed.
    """
    if not data:
        raise TrialError("the iTLB model wrote no report")
    try:
        report = msgspec.json.decode(data, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TrialError(f"the iTLB model's report: {error}") from error
    if report.schema != SCHEMA:
        raise TrialError(f"the iTLB model's report has schema {report.schema}, not {SCHEMA}")
    if report.unclosed:
        raise TrialError(f"window {report.unclosed[0]} was never closed")
    for check in report.self_checks:
        if not check.ok:
            raise TrialError(f"the iTLB model's own check failed: {check.name} {check.detail}")
    numbers = [window.id for window in report.windows]
    if WHOLE_RUN not in numbers or len(set(numbers)) != len(numbers):
        raise TrialError(f"the iTLB model's report has the windows {numbers}")
    for window in report.windows:
        _check(window, report.vcpus)
    if len(set(report.watched)) != len(report.watched):
        raise TrialError("the iTLB model's report counts an address twice")
    if len(report.taken) != len(report.snapshots):
        raise TrialError(
            f"the iTLB model's report has the snapshots {[one.id for one in report.snapshots]}"
        )
    for one in report.snapshots:
        check_snapshot(one, len(report.watched))
    return report


def _check(window: Window, vcpus: int) -> None:
    where = f"the iTLB model's window {window.id}"
    if len({counts.vcpu for counts in window.vcpus}) != vcpus or len(window.vcpus) != vcpus:
        raise TrialError(f"{where} has {len(window.vcpus)} vCPUs, not {vcpus}")
    for counts in window.vcpus:
        total = counts.l1_hits + counts.stlb_hits + counts.misses.walks + counts.walks_not_mapped
        if total != counts.lookups:
            raise TrialError(
                f"{where}, vCPU {counts.vcpu}: hits and walks add up to {total}, "
                f"not to {counts.lookups} lookups"
            )
        if (counts.walks_16k is None) is window.coalesces:
            raise TrialError(
                f"{where}: vCPU {counts.vcpu} counts walks of other page sizes than others"
            )
        if counts.flushes.keys() != window.vcpus[0].flushes.keys():
            raise TrialError(f"{where}: vCPU {counts.vcpu} counts other flushes than the first")
    for data in window.data:
        if data.found != data.lookups:
            raise TrialError(
                f"{where}, vCPU {data.vcpu}: hits and walks of loads and stores add up to "
                f"{data.found}, not to {data.lookups} lookups"
            )
    sites = sum((of_site(site) for site in window.sites), Misses())
    if sites != window.totals:
        raise TrialError(f"{where}: sites add up to {sites}, not to {window.totals}")


def readings(
    window: Window, label: str, finder: Finder | None, why_not: str
) -> tuple[list[Reading], tuple[Site, ...]]:
    """Readings of one window and its top named texts.

    Without ``finder`` the origins are not_supported, for the reason ``why_not``.
    Raises DataError when the origins do not add up to the totals, and for flushes of a kind
    that has no metric.
    """
    at = {"window": label}
    metrics = _by_origin(window)
    out = [*_whole(window, at), *_of_origin(metrics, window.totals, at, "all")]
    if finder is None:
        for origin in ORIGINS:
            labels = {**at, "origin": origin}
            out += [
                unknown(m.name, m.unit, reader.source, Status.NOT_SUPPORTED, why_not, labels)
                for m, reader in metrics
            ]
        return out, ()
    attributed = attribute(window.sites, finder, window.totals)
    for origin, misses in attributed.by_origin.items():
        out += _of_origin(metrics, misses, at, origin)
    return out, top(attributed.by_name)


def user_text(window: Window, label: str, origin: str, start: int, end: int) -> list[Reading]:
    """Misses of the user text from ``start`` up to ``end``: a part of the origin ``user``."""
    inside = (s for s in window.sites if s.user and start <= int(s.address, 16) < end)
    misses = sum((of_site(s) for s in inside), Misses())
    return _of_origin(_by_origin(window), misses, {"window": label}, origin)


def operations(window: Window, address: int, label: str) -> Reading:
    """How often the instruction at ``address`` was executed: the workload's operations.

    None at all is 0 and not unknown, since the guest arms its watches before the workload.
    Raises DataError when the report does not watch it.
    """
    watches = [w for w in window.watch if int(w.address, 16) == address]
    if len(watches) != 1:
        raise DataError(f"the iTLB model counts {address:#x} {len(watches)} times, not once")
    at = {"window": label}
    ((metric, reader),) = read_by(Operations)
    if not watches[0].exact:
        why = "watched, but not armed: code that had run before is not counted"
        return unknown(metric.name, metric.unit, reader.source, Status.NOT_COUNTED, why, at)
    return _reading(metric, watches[0].count, at)


def _reading(metric: Metric, value: int, labels: Mapping[str, str]) -> Reading:
    return Reading(
        name=metric.name, value=value, unit=metric.unit, source=Source.MODEL, labels=labels
    )


def _whole(window: Window, at: Mapping[str, str]) -> list[Reading]:
    """What has no origin: lookups, instructions, loads and stores where they were followed,
    flushes.

    Raises DataError for flushes of a kind that has no metric.
    """
    out = [
        _reading(metric, sum(getattr(vcpu, reader.count) for vcpu in window.vcpus), at)
        for metric, reader in read_by(WindowSum)
    ]
    if window.data:
        out += [
            _reading(metric, sum(getattr(vcpu, reader.count) for vcpu in window.data), at)
            for metric, reader in read_by(DataSum)
        ]
    kinds = {reader.kind: metric for metric, reader in read_by(Flushes)}
    for kind in window.vcpus[0].flushes:
        if kind not in kinds:
            raise DataError(f"the iTLB model counts flushes of an unknown kind: {kind!r}")
        out.append(_reading(kinds[kind], sum(vcpu.flushes[kind] for vcpu in window.vcpus), at))
    return out


Metrics = list[tuple[Metric, MissesByOrigin]]


def _by_origin(window: Window) -> Metrics:
    """Metrics with an origin that this CPU has."""
    return [
        (metric, reader)
        for metric, reader in read_by(MissesByOrigin)
        if window.coalesces or reader.count != "walks_16k"
    ]


def _of_origin(
    metrics: Metrics, misses: Misses, at: Mapping[str, str], origin: str
) -> list[Reading]:
    labels = {**at, "origin": origin}
    return [_reading(metric, getattr(misses, reader.count), labels) for metric, reader in metrics]
