# SPDX-License-Identifier: GPL-2.0-only
"""The machine set for a measurement, and back to what it was."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from harness import tunables
from harness.doctor.finding import Finding, Level
from harness.errors import InfrastructureError, UserError
from harness.tunables import Changed

STATE = tunables.FOLDER / "tuned.json"


def wanted(findings: Iterable[Finding]) -> dict[str, str]:
    """Value by file of everything amiss that can be set while the machine runs and be put back."""
    return {
        path: value for one in findings if one.level is Level.NOTE for path, value in one.writes
    }


def tune(
    values: Mapping[str, str], *, root: Path = Path("/"), state: Path = STATE
) -> tuple[Changed, ...]:
    """Set ``values`` below ``root``. What was set before by an earlier call stays to be undone.

    Raises InfrastructureError for a file that cannot be read or written.
    """
    try:
        return tunables.put(values, state, root=root)
    except InfrastructureError as error:
        undone = "`execmem-bench tune --undo` puts back what was set"
        remedy = "; ".join(part for part in (error.remedy, undone) if part)
        raise InfrastructureError(error.message, remedy) from error


def undo(*, root: Path = Path("/"), state: Path = STATE) -> tuple[Changed, ...]:
    """Put everything back to what it was before the first ``tune``.

    Raises UserError where nothing was tuned since the boot, InfrastructureError for a file that
    cannot be written; it can be called again then.
    """
    changed = tunables.put_back(state, root=root)
    if not changed:
        raise UserError("nothing was tuned since this machine was booted", "leave out --undo")
    return changed
