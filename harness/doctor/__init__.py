# SPDX-License-Identifier: GPL-2.0-only
"""What this machine can be asked to measure, what stands against it, and what mends it."""

from harness.doctor.diagnosis import (
    Diagnosis,
    diagnose,
    hardware,
    no_counters,
    no_namespaces,
    state,
)
from harness.doctor.facts import Facts, HostFacts, RecordedFacts, Recorder
from harness.doctor.finding import HARDWARE, Area, Finding, Level, Use
from harness.doctor.pmu import watchdog
from harness.doctor.tuning import tune, undo, wanted
from harness.tunables import Changed

__all__ = [
    "HARDWARE",
    "Area",
    "Changed",
    "Diagnosis",
    "Facts",
    "Finding",
    "HostFacts",
    "Level",
    "RecordedFacts",
    "Recorder",
    "Use",
    "diagnose",
    "hardware",
    "no_counters",
    "no_namespaces",
    "state",
    "tune",
    "undo",
    "wanted",
    "watchdog",
]
