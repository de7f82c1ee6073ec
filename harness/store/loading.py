# SPDX-License-Identifier: GPL-2.0-only
"""Reading saved runs back; what cannot be trusted is refused by path, line and field."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from harness.config.located import located
from harness.errors import DataError, UserError
from harness.model.records import Manifest, TrialRecord, TrialStatus
from harness.model.specs import TrialSpec
from harness.store.schema import check_version

MANIFEST = "manifest.json"
RECORDS = "records.jsonl"
REFERENCE = "reference"
"""Folder of runs that come with the program."""

Document = TypeVar("Document", Manifest, TrialRecord)


class LoadedRun(NamedTuple):
    """A saved run.

    ``records`` holds one record per trial (the last one, when a trial was run again), in
    the order of the manifest; ``problems`` are sentences on what is missing or was torn.
    """

    manifest: Manifest
    records: tuple[TrialRecord, ...]
    problems: tuple[str, ...]


def load_run(path: Path) -> LoadedRun:
    """Read the run in folder ``path`` (or the folder of a file in it).

    A torn last line of ``records.jsonl`` and trials without a record are told in
    ``problems``. Raises UserError when there is no run, DataError (path, line, dotted
    path, value) for anything that cannot be trusted.
    """
    folder = path.parent if path.name in (MANIFEST, RECORDS) else path
    manifest = load_manifest(folder)
    records, problems = _load_records(folder / RECORDS, manifest)
    latest = {record.trial: record for record in records}
    missing = [spec.id for spec in manifest.trials if spec.id not in latest]
    if missing:
        some = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        problems.append(
            f"{folder}: {len(missing)} of {len(manifest.trials)} trials have no record: {some}"
        )
    kept = tuple(latest[spec.id] for spec in manifest.trials if spec.id in latest)
    return LoadedRun(manifest, kept, tuple(problems))


def find_run(name: str, root: Path) -> Path:
    """The folder of a run given as a path, a run id, the start of one, or ``latest``.

    The runs that come with the program, in ``reference`` below ``root``, have names too;
    ``latest`` is one of them only where there is no other. Raises UserError, listing the latest
    runs, when there is none or more than one.
    """
    given = Path(name)
    if (given / MANIFEST).is_file() or (given.name in (MANIFEST, RECORDS) and given.is_file()):
        return given
    own = sorted(p.parent for p in root.glob(f"*/{MANIFEST}"))
    runs = [*sorted(p.parent for p in root.glob(f"{REFERENCE}/*/{MANIFEST}")), *own]
    if name == "latest" and runs:
        return runs[-1]
    matches = [run for run in runs if run.name == name] or [
        run for run in runs if name and run.name.startswith(name)
    ]
    if len(matches) == 1:
        return matches[0]
    known = ", ".join(run.name for run in (matches or runs)[-5:]) or "none yet"
    count = "more than one run" if matches else "no run"
    raise UserError(f"{count} {name!r} in {root}", f"give a run folder, an id or latest: {known}")


def done_trials(records: Sequence[TrialRecord]) -> frozenset[str]:
    """Ids of the trials that ended well."""
    return frozenset(r.trial for r in records if r.status is TrialStatus.OK)


def remaining(manifest: Manifest, records: Sequence[TrialRecord]) -> tuple[TrialSpec, ...]:
    """The trials of ``manifest`` still to run, in its order: without a record, or failed."""
    done = done_trials(records)
    return tuple(spec for spec in manifest.trials if spec.id not in done)


def load_manifest(folder: Path) -> Manifest:
    """The manifest of the run in ``folder``. Raises UserError, DataError."""
    path = folder / MANIFEST
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{folder}: no {MANIFEST} in it", "give the folder of a run (results/<run-id>)"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    return decode(data, Manifest, str(path))


def _load_records(path: Path, manifest: Manifest) -> tuple[list[TrialRecord], list[str]]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return [], [f"{path}: there is no such file: the run ended before its first trial"]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    specs = {spec.id: spec for spec in manifest.trials}
    records: list[TrialRecord] = []
    lines = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        where = f"{path}:{number}"
        if not line and number == len(lines):
            break
        if number == len(lines) and _torn(line):
            torn = f"{where}: the last line is torn after {len(line)} bytes: its trial is not kept"
            return records, [torn]
        record = decode(line, TrialRecord, where)
        if specs.get(record.trial) != record.spec:
            raise DataError(
                f"{where}: trial: {record.trial!r} is not in {MANIFEST}, or its spec differs",
                "the two files are not of one run; restore the folder",
            )
        records.append(record)
    return records, []


def _torn(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return True
    return False


def decode(data: bytes, cls: type[Document], where: str) -> Document:
    """A manifest or a record from its JSON; ``where`` it is. Raises DataError."""
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        shown = data[:60].decode(errors="replace")
        raise DataError(
            f"{where}: not JSON ({error}): {shown!r}", "restore the file or remove the line"
        ) from error
    check_version(raw, where)
    try:
        return msgspec.convert(raw, cls)
    except msgspec.ValidationError as error:
        raise DataError(
            f"{where}: {located(error, raw)}", "correct the field, or restore the file"
        ) from error
