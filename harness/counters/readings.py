# SPDX-License-Identifier: GPL-2.0-only
"""Everything that one trial gave, as readings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.counters import host_perf, itlb, perf
from harness.counters.attribution import ORIGINS, Finder
from harness.counters.events import EVENTS, Event
from harness.counters.facts import calls, guest_tables, holdings, layout, sampled
from harness.counters.facts.files import EDGES, Files
from harness.counters.facts.layout import Layout
from harness.counters.facts.text_pages import text_pages
from harness.errors import TrialError
from harness.guest.agent import wire
from harness.guest.decoded import Decoded
from harness.model.reading import Reading, Source, Status, unknown
from harness.model.records import Site, TextPages
from harness.model.specs import TrialSpec
from harness.model.trial_settings import Counters


@dataclass(frozen=True, kw_only=True)
class RawTrial:
    """What the guest and the plugin gave."""

    decoded: Decoded
    report: bytes | None  # the plugin's; None: it was not loaded
    perf_events: tuple[Event, ...] = EVENTS  # what perf stat was asked for
    host: host_perf.HostCounts = field(default_factory=host_perf.HostCounts)

    @property
    def files(self) -> Mapping[str, bytes]:
        """Raw files of the guest, by name."""
        return self.decoded.files

    @property
    def absent(self) -> Mapping[str, str]:
        """Why others could not be read, by name."""
        return self.decoded.absent


@dataclass(frozen=True, kw_only=True)
class TrialReadings:
    """Readings, labels of the windows by number, and the named texts with most misses.

    ``notes``: what every reader of the readings must know."""

    readings: tuple[Reading, ...]
    windows: Mapping[str, str]
    sites: tuple[Site, ...]
    text_pages: TextPages | None = None  # when the window closed
    notes: tuple[str, ...] = ()


WINDOW_EDGES = ("open", "close")
"""Between them text stays where it is: what ran in the window is found by where it was then."""
TEXT_EDGES = (*WINDOW_EDGES, "end")
"""Edges at which text is looked for: at the baseline there is none of the workload's."""


def of_trial(spec: TrialSpec, raw: RawTrial) -> TrialReadings:
    """All readings of a trial that ended well.

    Raises TrialError for a report that cannot be trusted or lacks what the guest did.
    """
    sent = raw.decoded
    files = Files(raw.files, raw.absent)
    out: list[Reading] = [
        Reading(
            name="window.seconds",
            value=window.ns / 1e9,
            unit="s",
            source=Source.KERNEL,
            labels={"window": window.label},
        )
        for window in sent.windows
    ]
    report = itlb.decode(raw.report) if raw.report is not None else None
    mapped: dict[str, guest_tables.EdgeTables] = {}
    if report is not None:
        mapped = {edge: guest_tables.at_edge(files, edge, report.taken) for edge in EDGES}
    layouts = {edge: layout.layout(files, edge, mapped.get(edge)) for edge in TEXT_EDGES}
    sites: tuple[Site, ...] = ()
    if report is not None:
        counted, sites = _model(sent, report, layouts)
        out += counted
        out += [reading for edge in EDGES for reading in mapped[edge].readings]
        watched = [int(address, 16) for address in report.watched]
        out += calls.of_trial(files, sent.calls, sent.calls_unknown, watched, report.taken)
    if sent.cycles:
        out += sampled.of_cycles(files, [one.cycle for one in sent.cycles])
        out += _model_by_cycle(report, sent, layouts)
    if spec.counters in (Counters.PERF, Counters.BOTH):
        output, errors = raw.files.get("perf/stat.json"), raw.files.get("perf/stderr", b"")
        for window in sent.windows:
            out += perf.readings(output, errors, sent.perf_status, window.label, raw.perf_events)
    if spec.counters is Counters.HOST:
        for window in sent.windows:
            out += host_perf.readings(raw.host, window.label, window.ns / 1e9, raw.perf_events)
    out += [_of_workload(one) for one in sent.readings]
    out += sampled.of_edges(files)
    for edge, where in layouts.items():
        out += layout.of_text(where, edge)
        out += holdings.of_edge(files, where, edge)
    return TrialReadings(
        readings=tuple(out),
        windows={str(window.number): window.label for window in sent.windows},
        sites=sites,
        text_pages=text_pages(layouts["close"]),
        notes=(*_isolation(spec, report), *(note for e in mapped.values() for note in e.notes)),
    )


def _isolation(spec: TrialSpec, report: itlb.Report | None) -> tuple[str, ...]:
    """A note where the guest did not isolate its page tables although it was told to."""
    if report is None or spec.pti != "on" or all(one.isolated for one in report.snapshots):
        return ()
    return ("pti=on, but this kernel does not isolate its page tables from user space",)


UNATTRIBUTED_SHARE = 0.2
"""If unattributed walks exceed this share of (unattributed + BPF) walks, BPF counts are reported
as unknown: a larger share could hide a material change, 1.25 times as many."""


def _named(readings: Sequence[Reading]) -> list[Reading]:
    """``readings`` of one window, without counts of BPF text that may miss a good part of it.

    Programs that were loaded and unloaded inside the window have no name any more.
    """
    walks = {r.labels["origin"]: r.value for r in readings if r.name == "itlb.walks"}
    other = walks.get("other")
    bpf = [value for origin, value in walks.items() if origin.startswith("bpf_")]
    if (
        other is None
        or None in bpf
        or other <= UNATTRIBUTED_SHARE * sum((other, *filter(None, bpf)))
    ):
        return list(readings)
    why = (
        f"{other} walks (origin other) were for text that was at neither edge of the window, "
        "such as programs loaded and unloaded inside"
    )
    return [
        unknown(r.name, r.unit, r.source, Status.NOT_COUNTED, why, r.labels)
        if r.labels.get("origin", "").startswith("bpf_")
        else r
        for r in readings
    ]


def _model(
    sent: Decoded, report: itlb.Report, layouts: Mapping[str, Layout]
) -> tuple[list[Reading], tuple[Site, ...]]:
    by_id = {window.id: window for window in report.windows}
    finder, why_not = _finder(layouts)
    out: list[Reading] = []
    sites: tuple[Site, ...] = ()
    for window in sent.windows:
        label = window.label
        if window.number not in by_id:
            raise TrialError(f"the iTLB model saw no window {window.number} ({label})")
        counted = by_id[window.number]
        readings, named = itlb.readings(counted, label, finder, why_not)
        out += [*_named(readings), *_operations(sent.watch, counted, label)]
        for one in sent.user_texts:
            if one.origin in ("all", *ORIGINS):
                raise TrialError(f"user_text: {one.origin} is an origin of all text")
            out += itlb.user_text(counted, label, one.origin, one.start, one.end)
        sites += named
    return out, sites


ALL, DYNAMIC = "all", "dynamic"
STANDING = ("user", "kernel_image")
"""Text that never moves. Whose another address was is known only at window edges: in a cycle all
of it together is ``DYNAMIC``, of programs, trampolines and modules."""


def _model_by_cycle(
    report: itlb.Report | None,
    sent: Decoded,
    layouts: Mapping[str, Layout],
) -> list[Reading]:
    """What the model counted in each cycle, with the label ``cycle``, and its length."""
    out = [
        Reading(
            name="cycle.seconds",
            value=one.ns / 1e9,
            unit="s",
            source=Source.KERNEL,
            labels={"cycle": str(one.cycle)},
        )
        for one in sent.cycles
    ]
    if report is None:
        return out
    by_id = {window.id: window for window in report.windows}
    finder, why_not = _finder(layouts)
    own = tuple(text.origin for text in sent.user_texts)
    for one in sent.cycles:
        if one.window not in by_id:
            raise TrialError(f"the iTLB model saw no window of cycle {one.cycle}")
        counted = by_id[one.window]
        readings, _ = itlb.readings(counted, "", finder, why_not)
        for text in sent.user_texts:
            readings += itlb.user_text(counted, "", text.origin, text.start, text.end)
        for reading in readings:
            origin = reading.labels.get("origin")
            if origin in (ALL, *STANDING, *own) or reading.name.startswith("insn."):
                labels = {"cycle": str(one.cycle)} | ({"origin": origin} if origin else {})
                out.append(replace(reading, labels=labels))
        out += _dynamic(readings, {"cycle": str(one.cycle)})
    return out


def _dynamic(readings: Sequence[Reading], at: Mapping[str, str]) -> list[Reading]:
    """What ``readings`` of one window count for text that may have moved since."""
    by_origin = {(r.name, r.labels.get("origin")): r for r in readings}
    out = []
    for (name, origin), total in by_origin.items():
        if origin != ALL:
            continue
        parts = [by_origin[name, standing] for standing in STANDING]
        left = total.value
        for part in parts:
            left = None if left is None or part.value is None else left - part.value
        doubtful = next((r for r in (total, *parts) if r.value is None), total)
        out.append(replace(doubtful, value=left, labels={**at, "origin": DYNAMIC}))
    return out


def _finder(layouts: Mapping[str, Layout]) -> tuple[Finder | None, str]:
    """Whose text an address was, from the window's edges, the closing one first."""
    edges = [layouts["close"], layouts["open"]]
    maps = [where.text_map for where in edges if where.text_map is not None]
    if not maps:
        return None, "; ".join(reason for where in edges for reason in where.reasons)
    return Finder(maps, layouts["close"].tables), ""


def _operations(watch: wire.Watch | None, window: itlb.Window, label: str) -> list[Reading]:
    """Executions of the symbol that the workload watches; none of one that has no operation."""
    if watch is None:
        return []
    if watch.address is not None:
        return [itlb.operations(window, watch.address, label)]
    why = watch.reason or f"the kernel has no symbol {watch.symbol}"
    status = Status.NOT_SUPPORTED
    return [unknown("ops", "operation", Source.MODEL, status, why, {"window": label})]


def _of_workload(one: wire.WorkloadReading) -> Reading:
    """A reading that the workload emitted."""
    return Reading(
        name=one.name,
        value=one.value,
        unit=one.unit,
        source=Source.WORKLOAD,
        status=Status(one.status),
        labels=one.labels,
        reason=one.reason,
    )
