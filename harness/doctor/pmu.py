# SPDX-License-Identifier: GPL-2.0-only
"""Whether there are hardware counters, and whether they count what is asked."""

from collections.abc import Iterator

from harness.counters import events
from harness.doctor.facts import Facts
from harness.doctor.finding import Area, Finding, Level, Use

DEVICES = "/sys/bus/event_source/devices"
PERF = "perf"
CORE_PMUS = ("cpu", "cpu_core", "cpu_atom")
WATCHDOG = "/proc/sys/kernel/nmi_watchdog"
SMT = "/sys/devices/system/cpu/smt/active"
ENABLE_PMU = "/sys/module/kvm/parameters/enable_pmu"
NEEDED = frozenset({Use.PERF, Use.HOST})


def findings(facts: Facts) -> Iterator[Finding]:
    """Of the counters of the machine; those of a guest are checked in a guest."""
    devices = facts.names(DEVICES)
    core = [name for name in CORE_PMUS if name in devices]
    yield Finding(
        name="pmu.device",
        area=Area.PMU,
        title="a PMU",
        level=Level.OK if core else Level.WRONG,
        found=", ".join(core) or f"none; perf has {', '.join(devices) or 'no device at all'}",
        says="there is no PMU",
        wanted="cpu",
        why="it counts iTLB misses and walks; a guest's PMU is a part of this one",
        fix="" if core else "none here: --counters model; on the metal it is in the firmware",
        needed_by=NEEDED,
    )
    if len(core) > 1:
        yield Finding(
            name="pmu.hybrid",
            area=Area.PMU,
            title="one kind of core",
            level=Level.NOTE,
            found=", ".join(core),
            wanted="cpu",
            why="the kinds have other TLBs: a count is of those cores that it ran on",
            fix="taskset the guest to one kind",
        )
    yield _codes(facts)
    there = facts.program(PERF)
    yield Finding(
        name="pmu.perf",
        area=Area.PMU,
        title=PERF,
        level=Level.OK if there else Level.WRONG,
        found="there" if there else "not there",
        says=f"{PERF} is not installed",
        wanted="there",
        why="it counts on the host what a guest without a PMU does; guests bring their own",
        fix="" if there else "install linux-perf",
        needed_by=frozenset({Use.HOST}),
    )
    yield _setting(
        facts, "pmu.guest", "KVM lends counters", ENABLE_PMU, ("Y", "1"),
        "without it -cpu host,pmu=on gives a guest no counters",
        "modprobe -r kvm_intel kvm_amd kvm; modprobe kvm enable_pmu=1",
    )  # fmt: skip
    yield _setting(
        facts, "pmu.watchdog", "NMI watchdog", WATCHDOG, ("0",),
        "it keeps one counter of each CPU: trials are run again for what no longer fits",
        f"echo 0 > {WATCHDOG}", ((WATCHDOG, "0"),),
    )  # fmt: skip
    yield _setting(
        facts, "pmu.smt", "two threads a core", SMT, ("0",),
        "they share the TLBs and halve the counters: a misfit of the neighbour is counted here",
        "echo off > /sys/devices/system/cpu/smt/control",
    )  # fmt: skip


def watchdog(facts: Facts) -> bool:
    """Whether the NMI watchdog keeps a counter of each CPU."""
    return facts.text(WATCHDOG) not in (None, "0")


def _codes(facts: Facts) -> Finding:
    cpu = events.cpu_of(facts.text("/proc/cpuinfo") or "")
    part = events.part_of(cpu) if cpu is not None else None
    return Finding(
        name="pmu.events",
        area=Area.PMU,
        title="known events",
        level=Level.OK if part else Level.NOTE if cpu else Level.UNKNOWN,
        found=f"{cpu}: {part.name}" if part else f"{cpu}: no encodings" if cpu else "unknown",
        wanted="Haswell to Granite Rapids, Zen 2 to Zen 5",
        why="walks by page size have a code of their own on each; else only perf's generic event "
        "is counted, whose meaning depends on the part",
        fix="" if part else "add the part to harness/counters/events.py, with its source",
    )


def _setting(
    facts: Facts, name: str, title: str, path: str, good: tuple[str, ...], why: str, fix: str,
    writes: tuple[tuple[str, str], ...] = (),
) -> Finding:  # fmt: skip
    found = facts.text(path)
    level = Level.UNKNOWN if found is None else Level.OK if found in good else Level.NOTE
    return Finding(
        name=name,
        area=Area.PMU,
        title=title,
        level=level,
        found="unknown" if found is None else found,
        wanted=good[0],
        why=why,
        fix=fix if level is Level.NOTE else "",
        writes=writes,
    )
