# SPDX-License-Identifier: GPL-2.0-only
"""All findings, and what they leave possible."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from harness.doctor import noise, pmu, programs, virtualization
from harness.doctor.facts import Facts, HostFacts
from harness.doctor.finding import Finding, Level, Use
from harness.targets.qemu.accel import Accelerator, probe_kvm


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was found, in the order in which it is told."""

    findings: tuple[Finding, ...]

    def against(self, *uses: Use) -> tuple[Finding, ...]:
        """The findings for which one of ``uses`` cannot be."""
        return tuple(
            one
            for one in self.findings
            if one.level is Level.WRONG and one.needed_by.intersection(uses)
        )

    def why_not(self, *uses: Use) -> str:
        """The same in words; "" where nothing stands against them."""
        return words(self.against(*uses))


def words(findings: Iterable[Finding]) -> str:
    """Findings as a part of a sentence."""
    return "; ".join(one.says or f"{one.title}: {one.found}" for one in findings)


def diagnose(
    facts: Facts | None = None,
    *,
    qemu: str | None = None,
    probe: Callable[[], Accelerator] = probe_kvm,
) -> Diagnosis:
    """Look at the machine that ``facts`` are of (None: this one). ``qemu``: its first line of
    --version; ``probe`` boots a guest under KVM."""
    facts = facts or HostFacts()
    return Diagnosis(
        findings=(
            *programs.findings(facts, qemu),
            *virtualization.findings(facts, probe),
            *pmu.findings(facts),
            *noise.findings(facts),
        )
    )


def state(facts: Facts | None = None) -> dict[str, str]:
    """How the machine is set that measures, by the names of the findings: for a manifest."""
    facts = facts or HostFacts()
    found = (*virtualization.findings(facts, None), *pmu.findings(facts), *noise.findings(facts))
    return {one.name: one.found for one in found}


def no_counters(facts: Facts) -> str:
    """Why the machine itself has no hardware counters; "" where it has."""
    return Diagnosis(findings=tuple(pmu.findings(facts))).why_not(Use.PERF)


def against_local(facts: Facts) -> tuple[Finding, ...]:
    """What stands against trials without a guest, whoever asks."""
    return Diagnosis(findings=(programs.namespaces(facts),)).against(Use.LOCAL)


def hardware(
    uses: frozenset[Use],
    facts: Facts | None = None,
    probe: Callable[[], Accelerator] = probe_kvm,
) -> Accelerator:
    """Whether KVM can be used for ``uses`` (KVM, PERF). No guest is booted to find out where
    something else stands against it already."""
    facts = facts or HostFacts()
    found = (*virtualization.findings(facts, None), *pmu.findings(facts))
    why = Diagnosis(findings=found).why_not(*uses)
    if why:
        return Accelerator(works=False, reason=why)
    return probe()
