# SPDX-License-Identifier: GPL-2.0-only
"""The schema of saved runs: its version, its history, and the published JSON Schema.

``python -m harness.store`` writes ``results/schema.json`` again after a change of
the definitions; a unit test holds that the file is the generated one.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import DataError
from harness.model.records import SCHEMA_VERSION, Manifest, TrialRecord
from harness.paths import RESULTS

SCHEMA_FILE = RESULTS / "schema.json"


@dataclass(frozen=True, kw_only=True)
class SchemaChange:
    """What a version of the schema brought. Versions are never renumbered."""

    version: int
    date: str  # ISO 8601
    what: str


HISTORY: tuple[SchemaChange, ...] = (
    SchemaChange(
        version=1,
        date="2026-11-23",
        what="manifest.json (provenance) and records.jsonl (one trial a line).",
    ),
)
"""Oldest first; the last one is ``SCHEMA_VERSION``.

A new field with a default keeps the version: older files read as before. A field that
is removed, renamed or means something else takes a new version.
"""


def published() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a manifest or of one line of ``records.jsonl``.

    Generated from the dataclasses in ``harness.model``.
    """
    refs, definitions = msgspec.json.schema_components(
        [Manifest, TrialRecord], ref_template="#/$defs/{name}"
    )
    for name in ("Manifest", "TrialRecord"):
        definitions[name]["properties"]["schema"] = {"const": SCHEMA_VERSION}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "execmem-bench run: manifest.json, or one line of records.jsonl",
        "version": SCHEMA_VERSION,
        "history": [msgspec.to_builtins(change) for change in HISTORY],
        "oneOf": list(refs),
        "$defs": dict(sorted(definitions.items())),
    }


def rendered() -> str:
    """``published()`` as the text of ``results/schema.json``."""
    return json.dumps(published(), indent=2, ensure_ascii=False) + "\n"


def check_version(raw: object, where: str) -> None:
    """Refuse a decoded document whose ``schema`` this program does not read.

    ``where`` names file and line. Raises DataError.
    """
    version = raw.get("schema") if isinstance(raw, dict) else None
    if version == SCHEMA_VERSION and not isinstance(version, bool):
        return
    if not isinstance(version, int):
        raise DataError(
            f"{where}: schema: {version!r} is not a schema version",
            "give a run folder that execmem-bench wrote",
        )
    remedy = (
        "read it with the version of execmem-bench that wrote it (program_version in manifest.json)"
    )
    raise DataError(f"{where}: schema: version {version}, this reads {SCHEMA_VERSION}", remedy)


def write(path: Path = SCHEMA_FILE) -> None:
    """Write the published schema to ``path``."""
    path.write_text(rendered(), encoding="utf-8")
