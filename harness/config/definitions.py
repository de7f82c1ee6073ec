# SPDX-License-Identifier: GPL-2.0-only
"""TOML files to the definitions in ``harness.model``; errors carry the dotted path."""

import dataclasses
import difflib
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness.config import settings
from harness.config.located import located, not_finite
from harness.errors import UserError
from harness.metrics.catalogue import BY_NAME
from harness.model.reading_spec import Quotient, ReadingSpec
from harness.model.specs import SuiteSpec, VariantSpec, WorkloadSpec
from harness.paths import CONFIGS, WORKLOADS

Spec = TypeVar("Spec", VariantSpec, SuiteSpec, WorkloadSpec)


def _closest(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(known) or 'none'}"


def parse(text: str, cls: type[Spec], where: str) -> Spec:
    """One definition from TOML ``text``; ``where`` names the file in errors.

    Raises UserError naming the file, the dotted path and the value.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{where}: not TOML: {error}", "correct the line it names") from error
    known = settings.SUITE_KEYS if cls is SuiteSpec else _fields(cls)
    _check_keys(raw, known, where)
    if cls is WorkloadSpec and isinstance(raw.get("readings"), list):
        _check_reading_keys(raw["readings"], where)
    for path, value in not_finite(raw):
        raise UserError(f"{where}: {path}: {value}", "give a finite number")
    if cls is SuiteSpec:
        return settings.suite(_with_every_workload(raw), where)  # type: ignore[return-value]
    try:
        spec = msgspec.convert(raw, cls)
    except msgspec.ValidationError as error:
        raise UserError(f"{where}: {located(error, raw)}", "correct the value") from error
    if isinstance(spec, WorkloadSpec):
        _check_readings(spec.readings, where)
    return spec


EVERY = "*"
"""In a suite's list of workloads: all that come with the program and measure."""


def _with_every_workload(raw: dict[str, Any]) -> dict[str, Any]:
    """The keys of a suite with ``EVERY`` replaced by the workloads that it does not name."""
    named = raw.get("workloads")
    if not isinstance(named, list) or EVERY not in named:
        return raw
    others = [name for name in workload_folders() if name not in named]
    measuring = [name for name in others if not workload(name)[0].by_name_only]
    return {**raw, "workloads": [n for n in named if n != EVERY] + measuring}


def _fields(cls: type[Any]) -> list[str]:
    return [field.name for field in dataclasses.fields(cls)]


def _check_keys(raw: Mapping[str, Any], known: Collection[str], where: str, at: str = "") -> None:
    """Refuse a key that is not ``known``; ``at`` is the dotted path of ``raw`` with its dot."""
    for key in raw:
        if key not in known:
            raise UserError(f"{where}: unknown key {at + key!r}", _closest(key, known))


def _check_reading_keys(raw: list[Any], where: str) -> None:
    for number, reading in enumerate(raw):
        if isinstance(reading, dict):
            at = f"readings[{number}]."
            _check_keys(reading, _fields(ReadingSpec), where, at)
            if isinstance(reading.get("quotient"), dict):
                _check_keys(reading["quotient"], _fields(Quotient), where, f"{at}quotient.")


def _check_readings(readings: Iterable[ReadingSpec], where: str) -> None:
    """Refuse a name that is declared twice, and one of the program's own."""
    names: set[str] = set()
    for number, reading in enumerate(readings):
        if reading.name in BY_NAME:
            raise UserError(
                f"{where}: readings[{number}].name: {reading.name!r} is a reading of the program's",
                "choose another name",
            )
        if reading.name in names:
            raise UserError(
                f"{where}: readings[{number}].name: {reading.name!r} is declared before",
                "declare it once",
            )
        names.add(reading.name)


def _load(path: Path, cls: type[Spec]) -> Spec:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read ({error})", "give a readable TOML file") from error
    spec = parse(text, cls, str(path))
    named = path.parent.name if cls is WorkloadSpec else path.stem
    if spec.name != named:
        raise UserError(f"{path}: name is {spec.name!r}", f"it must be {named!r}, as the path says")
    return spec


def variants(root: Path = CONFIGS) -> dict[str, VariantSpec]:
    """All kernel variants by name, the baseline first."""
    specs = [_load(path, VariantSpec) for path in sorted((root / "variants").glob("*.toml"))]
    return {v.name: v for v in sorted(specs, key=lambda v: (not v.baseline, v.order, v.name))}


def suites(root: Path = CONFIGS) -> dict[str, SuiteSpec]:
    """All suites by name."""
    return {p.stem: _load(p, SuiteSpec) for p in sorted((root / "suites").glob("*.toml"))}


def workload_folders(root: Path = WORKLOADS) -> dict[str, Path]:
    """Folders of the workloads that come with the program, by name."""
    return {p.parent.name: p.parent for p in sorted(root.glob("*/workload.toml"))}


def workload(name: str, root: Path = WORKLOADS) -> tuple[WorkloadSpec, Path]:
    """A workload and its folder, by name or by the path of a folder of the user's own.

    Raises UserError when there is none.
    """
    known = workload_folders(root)
    if name in known:
        return _load(known[name] / "workload.toml", WorkloadSpec), known[name]
    folder = Path(name)
    if (folder / "workload.toml").is_file():
        folder = folder.resolve()
        spec = _load(folder / "workload.toml", WorkloadSpec)
        if not (folder / spec.module).is_file():
            raise UserError(f"{folder}: no {spec.module} in it", "it has the class Workload")
        return spec, folder
    if folder.is_dir():
        raise UserError(f"{name}: no workload.toml in that folder", "see CONTRIBUTING.md")
    raise UserError(f"no workload {name!r}", _closest(name, known))


def suite(name: str, root: Path = CONFIGS) -> SuiteSpec:
    """The suite ``name``; raises UserError when there is none."""
    known = suites(root)
    if name not in known:
        raise UserError(f"no suite {name!r}", _closest(name, known))
    return known[name]
