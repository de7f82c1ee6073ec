# SPDX-License-Identifier: GPL-2.0-only
"""What makes two measurements of the same thing differ, where the hardware measures."""

from collections import Counter
from collections.abc import Callable, Iterator

from harness.doctor.facts import Facts
from harness.doctor.finding import Area, Finding, Level

CPUS = "/sys/devices/system/cpu"
NO_TURBO = f"{CPUS}/intel_pstate/no_turbo"
BOOST = f"{CPUS}/cpufreq/boost"
KSM = "/sys/kernel/mm/ksm/run"
CLOCK = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
LOAD_A_CPU = 0.2
"""Of other work, on each CPU."""


def cpus(facts: Facts) -> tuple[str, ...]:
    """The CPUs' folders."""
    return tuple(
        name for name in facts.names(CPUS) if name.startswith("cpu") and name[3:].isdecimal()
    )


def findings(facts: Facts) -> Iterator[Finding]:
    """Each source of noise that can be seen."""
    yield _governor(facts)
    yield _turbo(facts)
    yield _load(facts)
    yield _finding(
        "noise.isolated", "isolated CPUs", facts.text(f"{CPUS}/isolated"), "some",
        bool,
        "on CPUs of their own vCPUs meet no other task; without, pinning only keeps them in place",
        "boot with isolcpus=<list> nohz_full=<list> rcu_nocbs=<list>",
    )  # fmt: skip
    yield _finding(
        "noise.ksm", "merging of equal pages (KSM)", facts.text(KSM), "0",
        lambda found: found == "0",
        "it scans and splits the pages of guests while they run",
        f"echo 0 > {KSM}",
        ((KSM, "0"),),
    )  # fmt: skip
    yield _finding(
        "noise.clock", "clock source", facts.text(CLOCK), "tsc",
        lambda found: found in ("tsc", "kvm-clock"),
        "any other is slow to read, also for perf and for each time slice",
        f"echo tsc > {CLOCK}",
    )  # fmt: skip


def _finding(
    name: str,
    title: str,
    found: str | None,
    wanted: str,
    good: Callable[[str], bool],
    why: str,
    fix: str,
    writes: tuple[tuple[str, str], ...] = (),
) -> Finding:
    level = Level.UNKNOWN if found is None else Level.OK if good(found) else Level.NOTE
    return Finding(
        name=name,
        area=Area.NOISE,
        title=title,
        level=level,
        found="unknown" if found is None else found or "none",
        wanted=wanted,
        why=why,
        fix=fix if level is Level.NOTE else "",
        writes=writes,
    )


def _governor(facts: Facts) -> Finding:
    read = [facts.text(f"{CPUS}/{cpu}/cpufreq/scaling_governor") for cpu in cpus(facts)]
    held = Counter(text for text in read if text)
    found = ", ".join(f"{name} on {count}" for name, count in sorted(held.items())) or None
    return _finding(
        "noise.governor", "frequency governor", found, "performance",
        lambda _: set(held) == {"performance"},
        "a frequency that follows the load moves every rate, and busy builds look faster",
        f"echo performance | tee {CPUS}/cpu*/cpufreq/scaling_governor",
        tuple(
            (f"{CPUS}/{cpu}/cpufreq/scaling_governor", "performance")
            for cpu, text in zip(cpus(facts), read, strict=True) if text
        ),
    )  # fmt: skip


def _turbo(facts: Facts) -> Finding:
    off, boost = facts.text(NO_TURBO), facts.text(BOOST)
    state = None if off is None and boost is None else "off" if off == "1" or boost == "0" else "on"
    return _finding(
        "noise.turbo", "turbo", state, "off",
        lambda found: found == "off",
        "how far it goes depends on heat and on what the other cores do",
        f"echo 1 > {NO_TURBO}" if off is not None else f"echo 0 > {BOOST}",
        ((NO_TURBO, "1") if off is not None else (BOOST, "0"),),
    )  # fmt: skip


def _load(facts: Facts) -> Finding:
    words = (facts.text("/proc/loadavg") or "").split()
    count = len(cpus(facts))
    most = LOAD_A_CPU * count
    return _finding(
        "noise.load", "other load", words[0] if words and count else None, f"{most:.1f} or less",
        lambda found: float(found) <= most,
        "what runs beside a guest takes its CPUs and its TLBs",
        "stop what runs beside; ps -eo pcpu,comm --sort=-pcpu | head",
    )  # fmt: skip
