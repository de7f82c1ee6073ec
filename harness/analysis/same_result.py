# SPDX-License-Identifier: GPL-2.0-only
"""Whether two results of one trial are the same, but for when and where they were made."""

from dataclasses import fields

from harness.analysis.replicates import first_changed_reading
from harness.model.records import TrialRecord

OF_THE_MACHINE = frozenset({"started", "wall_seconds", "machine", "readings"})
"""Fields of a record that say when and where; readings of the host do as well."""


def first_difference(left: TrialRecord, right: TrialRecord) -> str:
    """The first thing in which two records of one trial differ; "" if none."""
    if changed := first_changed_reading(left, right):
        return changed
    for name in (f.name for f in fields(TrialRecord) if f.name not in OF_THE_MACHINE):
        if getattr(left, name) != getattr(right, name):
            return f"{name} differs"
    return ""
