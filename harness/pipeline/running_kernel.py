# SPDX-License-Identifier: GPL-2.0-only
"""KERNEL=local: the kernel that is running, measured without a guest.

The machine is what it is: how many CPUs, page-table isolation and memory there are is read of it,
and what is asked for beside that is refused.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from harness import doctor
from harness.doctor import Facts
from harness.errors import PrerequisiteError, UserError
from harness.guest.agent import requirements
from harness.kernel import naming
from harness.model.specs import SuiteSpec, WorkloadSpec
from harness.model.trial_settings import Counters, Mode, Pti, setting_text
from harness.pipeline.choose import Choice
from harness.targets.local.local_target import settings
from harness.targets.qemu.pinning import numbers

MELTDOWN = "/sys/devices/system/cpu/vulnerabilities/meltdown"
ONLINE = "/sys/devices/system/cpu/online"
GUESTS_ONLY = frozenset({Counters.MODEL, Counters.HOST, Counters.BOTH})
"""What counts nothing where there is no guest."""

_TOTAL = re.compile(r"^MemTotal:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Here:
    """Settings of a trial that the machine decides."""

    pti: Pti
    kaslr: bool
    smp: int
    memory_mib: int


def asked_for(kernels: str | None) -> bool:
    """Whether KERNEL= is the running kernel. Raises UserError where it is that and another."""
    words = naming.parse(kernels) if kernels else ()
    if all(word.value != naming.LOCAL for word in words):
        return False
    if len(words) > 1:
        raise UserError(
            f"KERNEL={kernels}: only one kernel is running, and the others are booted in guests",
            "run them one after the other, and put the runs into one table: "
            "execmem-bench compare RUN RUN --allow trials.mode ...",
        )
    return True


def of(facts: Facts) -> Here:
    """The machine that ``facts`` are of. Raises PrerequisiteError for what it does not tell."""
    cpuinfo, cmdline = facts.text("/proc/cpuinfo"), facts.text("/proc/cmdline")
    total = _TOTAL.search(facts.text("/proc/meminfo") or "")
    cpus = numbers(facts.text(ONLINE) or "")
    if not cpuinfo or cmdline is None or not total or not cpus:
        raise PrerequisiteError(
            "KERNEL=local: the machine does not tell its CPUs, memory or command line",
            "mount /proc and /sys",
        )
    isolated = requirements.isolates(cpuinfo, facts.text(MELTDOWN) or "")
    return Here(
        pti=Pti.ON if isolated else Pti.OFF,
        kaslr="nokaslr" not in cmdline.split(),
        smp=len(cpus),
        memory_mib=int(total[1]) >> 10,
    )


def settled(
    suite: SuiteSpec, workloads: Sequence[tuple[WorkloadSpec, Path]], here: Here
) -> tuple[SuiteSpec, tuple[tuple[WorkloadSpec, Path], ...]]:
    """The suite and the workloads as the machine lets them be."""
    suite = suite.with_settings(mode=Mode.LOCAL, pti=here.pti, kaslr=here.kaslr, smp=here.smp)
    return suite, tuple((replace(w, memory_mib=here.memory_mib), f) for w, f in workloads)


def refuse(given: Mapping[str, tuple[Any, ...]], here: Here, trace: bool) -> None:
    """Raise UserError for a setting that is not the machine's, and for what only guests have.

    ``given``: the values that the user asked for, by setting.
    """
    has = {one.name: getattr(here, one.name) for one in fields(here)} | {"mode": Mode.LOCAL}
    for name, values in given.items():
        texts = ",".join(map(setting_text, values))
        said = f"--{name.replace('_', '-')} {texts} with KERNEL=local"
        if name == "counters" and GUESTS_ONLY.intersection(values):
            raise UserError(f"{said}: it counts guests only", "leave it out, or boot a guest")
        if name in has and any(value != has[name] for value in values):
            raise UserError(
                f"{said}: this machine has {setting_text(has[name])}",
                "leave the option out, or boot the machine so",
            )
    if trace:
        raise UserError("--trace with KERNEL=local: the model sees guests only", "leave it out")


def check(facts: Facts, uid: int | None = None) -> None:
    """Raise PrerequisiteError with all that is missing to run trials on this machine."""
    missing = list(_missing(facts, os.geteuid() if uid is None else uid))
    if missing:
        raise PrerequisiteError(
            f"KERNEL=local: {'; '.join(why for why, _ in missing)}",
            "; ".join(dict.fromkeys(remedy for _, remedy in missing)),
        )


def _missing(facts: Facts, uid: int) -> Iterator[tuple[str, str]]:
    if uid != 0:
        yield (
            f"user {uid} may not load BPF programs, make namespaces, or read the kernel's "
            "addresses and page tables",
            "run as root, or with sudo",
        )
    for finding in doctor.against_local(facts):
        yield doctor.words([finding]), finding.fix


def choose(asked: Counters, facts: Facts) -> Choice:
    """Counters on the machine itself. Raises PrerequisiteError where perf was asked for and there
    is no PMU."""
    why = doctor.no_counters(facts)
    if asked is Counters.PERF and why:
        raise PrerequisiteError(
            f"--counters perf with KERNEL=local: {why}",
            "use --counters none, which has the facts; `execmem-bench doctor` has the whole of it",
        )
    if asked is not Counters.AUTO:
        return Choice(counters=asked, mode=Mode.LOCAL, reason=f"{asked} was asked for")
    counters = Counters.NONE if why else Counters.PERF
    reason = f"none, only facts, because {why}" if why else "perf, on the machine itself"
    return Choice(counters=counters, mode=Mode.LOCAL, reason=reason)


def announcement(release: str, workloads: Iterable[WorkloadSpec]) -> Iterator[str]:
    """What is going to be done to the machine, in lines."""
    listed = list(workloads)
    yield f"KERNEL=local: Linux {release} runs {', '.join(w.name for w in listed)} itself, as root"
    modules = sorted({name for one in listed for name in one.modules})
    loads = ["BPF programs"]
    loads += ["kprobes"] if any("CONFIG_KPROBES" in one.needs for one in listed) else []
    loads += ["modules: " + " ".join(modules)] if modules else []
    yield f"  loads, and removes at the end: {', '.join(loads)}"
    values = ", ".join(f"{path.removeprefix('/proc/sys/')}={v}" for path, v in settings().items())
    yield f"  sets, and puts back at the end: {values}"
    yield "  stays until the next boot: the direct map where loading has split it"
