# SPDX-License-Identifier: GPL-2.0-only
"""Settings of the machine for a measurement, and back to what they were, also after a crash.

What was there is on the disk before anything is changed, in a folder that goes with the boot, as
the settings do.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.doctor.finding import Finding, Level
from harness.errors import DataError, InfrastructureError, UserError

STATE = Path("/run/execmem-bench/tuned.json")


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A setting as it was and as it is now."""

    path: str
    before: str
    now: str


def wanted(findings: Iterable[Finding]) -> dict[str, str]:
    """Value by file of everything amiss that can be set while the machine runs and be put back."""
    return {
        path: value for one in findings if one.level is Level.NOTE for path, value in one.writes
    }


def tune(
    values: Mapping[str, str], *, root: Path = Path("/"), state: Path = STATE
) -> tuple[Changed, ...]:
    """Set ``values`` below ``root``. What was set before by an earlier call stays to be undone.

    Raises InfrastructureError for a file that cannot be read or written: what was set until
    then is in ``state`` and is undone by ``undo``.
    """
    before = _read(state)
    changed = []
    for path, value in values.items():
        was = _now(root, path)
        before.setdefault(path, was)
        changed.append(Changed(path=path, before=was, now=value))
    if changed:
        _keep(state, before)
    for one in changed:
        _write(root, one.path, one.now)
    return tuple(changed)


def undo(*, root: Path = Path("/"), state: Path = STATE) -> tuple[Changed, ...]:
    """Put everything back to what it was before the first ``tune``.

    Raises UserError where nothing was tuned since the boot, InfrastructureError for a file that
    cannot be written; it can be called again then.
    """
    before = _read(state)
    if not before:
        raise UserError("nothing was tuned since this machine was booted", "leave out --undo")
    changed = []
    for path, value in before.items():
        changed.append(Changed(path=path, before=_now(root, path), now=value))
        _write(root, path, value)
    state.unlink()
    return tuple(changed)


def _now(root: Path, path: str) -> str:
    """The value of a setting; of a choice in brackets, the chosen word."""
    try:
        text = (root / path.lstrip("/")).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InfrastructureError(f"{path}: {error.strerror}") from error
    return text.partition("[")[2].partition("]")[0] or text


def _write(root: Path, path: str, value: str) -> None:
    try:
        (root / path.lstrip("/")).write_text(value, encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(
            f"{path}: cannot be set to {value!r}: {error.strerror}",
            "run it as root; `execmem-bench tune --undo` puts back what was set",
        ) from error


def _read(state: Path) -> dict[str, str]:
    try:
        return msgspec.json.decode(state.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(f"{state}: {error}", "remove it; what it undoes is then unknown") from error


def _keep(state: Path, before: Mapping[str, str]) -> None:
    partial = state.with_suffix(".new")
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(msgspec.json.encode(before))
        partial.replace(state)
    except OSError as error:
        raise InfrastructureError(f"{state}: {error.strerror}", "run it as root") from error
