# SPDX-License-Identifier: GPL-2.0-only
"""Keeping records: one that the run refuses is kept as a failed trial."""

from harness.errors import DataError
from harness.model.records import Failure, TrialRecord
from harness.pipeline.trial import failed_record
from harness.store import Run


def keep_record(run: Run, record: TrialRecord) -> TrialRecord:
    """Append ``record`` to ``run``; returns what was appended.

    A record that could not be read back becomes a failed one with the reason. Raises
    PrerequisiteError for a full disk, DataError where not even that one belongs to the run.
    """
    try:
        run.append(record)
    except DataError as error:
        failure = Failure(kind="record", message=error.message)
        refused = failed_record(record.spec, failure, record.started, record.wall_seconds)
        run.append(refused)
        return refused
    return record
