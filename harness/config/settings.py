# SPDX-License-Identifier: GPL-2.0-only
"""Settings read from what a person wrote: checked by the types of their definitions.

The definitions are the fields of ``SuiteSettings`` in ``harness.model.trial_settings``.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from enum import StrEnum
from types import GenericAlias
from typing import Annotated, Any, get_args, get_type_hints

import msgspec

from harness.config.located import located
from harness.errors import UserError
from harness.model.specs import MAX_SEEDS, SuiteSpec
from harness.model.trial_settings import SUITE_SETTINGS, SuiteSettings

TYPES: Mapping[str, Any] = get_type_hints(SuiteSettings, include_extras=True)
"""Type of each setting with its bounds, by name."""


def _accepted(name: str) -> Any:
    """What a suite or the user may give for a setting: one value, or a list of a swept one."""
    if SUITE_SETTINGS[name].swept:
        several = GenericAlias(tuple, (TYPES[name], ...))
        return Annotated[several, msgspec.Meta(min_length=1)]
    return TYPES[name]


def _suite_fields() -> list[tuple[str, Any] | tuple[str, Any, Any]]:
    types = get_type_hints(SuiteSpec, include_extras=True)
    out: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for one in fields(SuiteSpec):
        if one.name == "settings":
            out += [(n, _accepted(n), s.default) for n, s in SUITE_SETTINGS.items()]
        elif one.default is not MISSING:
            out.append((one.name, types[one.name], one.default))
        elif one.default_factory is not MISSING:
            made = msgspec.field(default_factory=one.default_factory)
            out.append((one.name, types[one.name], made))
        else:
            out.append((one.name, types[one.name]))
    return out


_Suite: Any = msgspec.defstruct("_Suite", _suite_fields(), kw_only=True)
"""A suite as its file has it: the settings among the other keys."""

_Changes: Any = msgspec.defstruct(
    "_Changes",
    [(n, _accepted(n) | msgspec.UnsetType, msgspec.UNSET) for n in SUITE_SETTINGS],
    kw_only=True,
)
"""Settings that override those of a suite."""

SUITE_KEYS = tuple(_Suite.__struct_fields__)


def choices(name: str) -> tuple[str, ...]:
    """The values that a setting can have, where it is a choice of words; else none."""
    kind = TYPES[name]
    return tuple(value.value for value in kind) if _is_choice(kind) else ()


def _is_choice(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, StrEnum)


def bounds(name: str) -> tuple[int | None, int | None]:
    """The least and the greatest value of a setting; None: no bound."""
    for meta in get_args(TYPES[name]):
        if isinstance(meta, msgspec.Meta):
            return meta.ge, meta.le  # type: ignore[return-value]
    return None, None


def suite(raw: Mapping[str, Any], where: str) -> SuiteSpec:
    """A suite from the keys of its file. Raises UserError with the dotted path and the value."""
    read = _converted(raw, _Suite, where)
    for key in ("workloads", "seeds", "kernels", *_swept()):
        refuse_twice(getattr(read, key), f"{where}: {key}")
    values = {name: getattr(read, name) for name in SUITE_SETTINGS}
    others = {f.name: getattr(read, f.name) for f in fields(SuiteSpec) if f.name != "settings"}
    for name in others["params"]:
        if name not in others["workloads"]:
            raise UserError(
                f"{where}: params.{name}: {name!r} is not a workload of this suite",
                f"it has: {', '.join(others['workloads'])}",
            )
    return SuiteSpec(**others, settings=combinations(values))


def document(suite: SuiteSpec) -> dict[str, Any]:
    """A suite as its file has it, with all keys."""
    raw: dict[str, Any] = {}
    for one in fields(suite):
        raw |= (
            values(suite.settings)
            if one.name == "settings"
            else {one.name: getattr(suite, one.name)}
        )
    plain: dict[str, Any] = msgspec.to_builtins(raw)
    return plain


def combinations(values: Mapping[str, Any]) -> tuple[SuiteSettings, ...]:
    """One for each combination of the swept settings' values in ``values``."""
    names = _swept()
    swept = itertools.product(*(values[name] for name in names))
    return tuple(
        SuiteSettings(**{**values, **dict(zip(names, chosen, strict=True))}) for chosen in swept
    )


def values(settings: Sequence[SuiteSettings]) -> dict[str, Any]:
    """The opposite of ``combinations``: the value of each setting, all values of a swept one."""
    out: dict[str, Any] = {}
    for name, setting in SUITE_SETTINGS.items():
        held = tuple(dict.fromkeys(getattr(one, name) for one in settings))
        out[name] = held if setting.swept else held[0]
    return out


def override(
    settings: Sequence[SuiteSettings], changes: Mapping[str, object], where: str
) -> tuple[SuiteSettings, ...]:
    """``settings`` with ``changes`` by name; a swept setting takes one value or several.

    ``where`` says whose the changes are. Raises UserError with the name and the value.
    """
    raw = {
        name: value if name not in _swept() or isinstance(value, list | tuple) else (value,)
        for name, value in changes.items()
    }
    for name in raw:
        if name not in SUITE_SETTINGS:
            raise UserError(
                f"{where}: {name}: there is no such setting", f"known: {', '.join(SUITE_SETTINGS)}"
            )
    read = _converted(msgspec.to_builtins(raw), _Changes, where)
    given = {name: getattr(read, name) for name in raw}
    for name in _swept():
        refuse_twice(given.get(name, ()), f"{where}: {name}")
    return combinations(values(settings) | given)


def seeds(numbers: Sequence[int], where: str) -> tuple[int, ...]:
    """Seeds that are distinct, in their range, and not too many. Raises UserError."""
    if len(numbers) > MAX_SEEDS:
        raise UserError(f"{where}: {len(numbers)} seeds", f"give at most {MAX_SEEDS}")
    accepted = get_type_hints(SuiteSpec, include_extras=True)["seeds"]
    try:
        read: tuple[int, ...] = msgspec.convert(list(numbers), accepted)
    except msgspec.ValidationError as error:
        raise UserError(f"{where}: {located(error, list(numbers))}", "correct the seed") from error
    refuse_twice(read, where)
    return read


def refuse_twice(values: Sequence[object], where: str) -> None:
    """Raise UserError where a value is there twice, with its place."""
    for index, value in enumerate(values):
        if value in values[:index]:
            raise UserError(f"{where}[{index}]: {value!s} is there twice", "give each value once")


def _swept() -> tuple[str, ...]:
    return tuple(name for name, setting in SUITE_SETTINGS.items() if setting.swept)


def _converted(raw: Mapping[str, Any], cls: Any, where: str) -> Any:
    try:
        return msgspec.convert(raw, cls)
    except msgspec.ValidationError as error:
        line = located(error, raw)
        name = line.partition(":")[0].partition("[")[0]
        known = choices(name) if name in SUITE_SETTINGS else ()
        remedy = f"it takes {', '.join(known)}" if known else "correct the value"
        raise UserError(f"{where}: {line}", remedy) from error
