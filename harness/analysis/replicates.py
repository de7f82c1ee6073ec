# SPDX-License-Identifier: GPL-2.0-only
"""Trials that were run more than once."""

from collections.abc import Sequence

from harness.analysis.comparability import Settings
from harness.analysis.comparison import ComparedTrial
from harness.model.reading import Source
from harness.model.records import TrialRecord, TrialStatus
from harness.model.trial_settings import Mode


def replicates(
    settings: Settings, trials: Sequence[ComparedTrial]
) -> tuple[list[ComparedTrial], list[str]]:
    """The trials that count, and what did not repeat.

    In exact mode a trial that was run again must agree to the last digit (outside the
    host's own readings) and counts once. In other modes all count, by their mean over
    each seed.
    """
    if settings.mode is not Mode.EXACT:
        return list(trials), []
    kept: dict[tuple[str, int], ComparedTrial] = {}
    problems = []
    for trial in trials:
        key = (trial.build, trial.seed)
        before = kept.get(key)
        if before is None or before.record.status is not TrialStatus.OK:
            kept[key] = trial
            continue
        if trial.record.status is not TrialStatus.OK:
            continue
        differs = first_changed_reading(before.record, trial.record)
        if differs:
            problems.append(
                f"{settings.workload} on {trial.build}, pti={settings.pti}, "
                f"seed {trial.seed} does not repeat: {differs}; the first result is used"
            )
    return list(kept.values()), problems


def first_changed_reading(left: TrialRecord, right: TrialRecord) -> str:
    """The first reading in which two trials differ, host readings aside; "" if none."""
    left_readings = {r.key: r for r in left.readings if r.source is not Source.HOST}
    right_readings = {r.key: r for r in right.readings if r.source is not Source.HOST}
    for key in {**left_readings, **right_readings}:
        a, b = left_readings.get(key), right_readings.get(key)
        if a is None or b is None or (a.value, a.status) != (b.value, b.status):
            labels = ",".join(f"{k}={v}" for k, v in key[2])
            shown = ["absent" if r is None else str(r.value) for r in (a, b)]
            return f"{key[0]}{{{labels}}} is {shown[0]} and {shown[1]}"
    return ""
