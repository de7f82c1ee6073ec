# SPDX-License-Identifier: GPL-2.0-only
"""Settings below /proc and /sys: set, and put back to what they were, also after a crash.

What was there is on the disk before anything is changed, in a file that goes with the boot, as
the settings do.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from harness.errors import DataError, InfrastructureError

FOLDER = Path("/run/execmem-bench")
"""Of the files that tell what was there."""


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A setting as it was and as it is now."""

    path: str
    before: str
    now: str


def put(values: Mapping[str, str], state: Path, *, root: Path = Path("/")) -> tuple[Changed, ...]:
    """Set ``values`` below ``root``. What was there before an earlier call stays in ``state``.

    Raises InfrastructureError for a file that cannot be read or written: what was set until
    then is in ``state`` and is put back by ``put_back``.
    """
    before = _read(state)
    changed = []
    for path, value in values.items():
        was = now(path, root=root)
        before.setdefault(path, was)
        changed.append(Changed(path=path, before=was, now=value))
    if changed:
        _keep(state, before)
    for one in changed:
        _write(root, one.path, one.now)
    return tuple(changed)


def put_back(state: Path, *, root: Path = Path("/")) -> tuple[Changed, ...]:
    """Put everything in ``state`` back to what it was before the first ``put``; nothing where
    there is no such file. Raises InfrastructureError for a file that cannot be written; it can be
    called again then.
    """
    changed = []
    for path, value in _read(state).items():
        changed.append(Changed(path=path, before=now(path, root=root), now=value))
        _write(root, path, value)
    state.unlink(missing_ok=True)
    return tuple(changed)


def now(path: str, *, root: Path = Path("/")) -> str:
    """The value of a setting; of a choice in brackets, the chosen word.

    Raises InfrastructureError where it cannot be read.
    """
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
            f"{path}: cannot be set to {value!r}: {error.strerror}", "run it as root"
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
