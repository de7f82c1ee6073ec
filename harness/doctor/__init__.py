# SPDX-License-Identifier: GPL-2.0-only
"""What this machine can be asked to measure, what stands against it, and what mends it."""

from harness.doctor.diagnosis import (
    Diagnosis,
    against_local,
    diagnose,
    hardware,
    no_counters,
    state,
    words,
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
    "against_local",
    "diagnose",
    "hardware",
    "no_counters",
    "state",
    "tune",
    "undo",
    "wanted",
    "watchdog",
    "words",
]
