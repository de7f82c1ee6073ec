# SPDX-License-Identifier: GPL-2.0-only
"""What this machine can be asked to measure, what stands against it, and what mends it."""

from harness.doctor.diagnosis import Diagnosis, diagnose, hardware, state
from harness.doctor.facts import Facts, HostFacts, RecordedFacts, Recorder
from harness.doctor.finding import HARDWARE, Area, Finding, Level, Use

__all__ = [
    "HARDWARE",
    "Area",
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
    "state",
]
