# SPDX-License-Identifier: GPL-2.0-only
"""Values that came from the other side: each check returns the value with its type, or raises
WireError, which names where it stood. ``parse`` makes values of JSON."""

import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

LEAST, MOST = -(1 << 63), (1 << 64) - 1
"""Integers that readers of JSON can hold: signed or unsigned, 64 bits."""
QUOTED = 60
"""Characters of a value that messages show."""


class WireError(Exception):
    """Something that was sent does not fit; one line says which record, key and value."""


def shown(value: object) -> str:
    """``value`` for a message: short, one line, ASCII."""
    if isinstance(value, str):
        return ascii(value[:QUOTED])
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    return "an object" if isinstance(value, dict) else "a list"


def text(value: object, where: str) -> str:
    """A string that can be written as UTF-8."""
    if not isinstance(value, str):
        raise WireError(f"{where}: {shown(value)} is not a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise WireError(f"{where}: {shown(value)} has half a surrogate pair") from None
    return value


def word(value: object, where: str) -> str:
    """A text that is not empty."""
    if not text(value, where):
        raise WireError(f"{where}: it is empty")
    return text(value, where)


def integer(least: int = LEAST, most: int = MOST) -> Callable[[object, str], int]:
    """A check for integers from ``least`` to ``most``; true and false are none."""

    def check(value: object, where: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise WireError(f"{where}: {shown(value)} is not an integer")
        if not least <= value <= most:
            raise WireError(f"{where}: {shown(value)} is not within {least} to {most}")
        return value

    return check


def number(value: object, where: str) -> int | float:
    """A finite number that readers of JSON can hold."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise WireError(f"{where}: {value} is not finite")
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise WireError(f"{where}: {shown(value)} is not a number")
    return integer()(value, where)


Checked = TypeVar("Checked")


def optional(check: Callable[[object, str], Checked]) -> Callable[[object, str], Checked | None]:
    """``check``, or null."""
    return lambda value, where: None if value is None else check(value, where)


def one_of(*words: str) -> Callable[[object, str], str]:
    """A check for one of ``words``."""

    def check(value: object, where: str) -> str:
        if not isinstance(value, str) or value not in words:
            raise WireError(f"{where}: {shown(value)} is none of {', '.join(words)}")
        return value

    return check


def mapping(check: Callable[[object, str], Checked]) -> Callable[[object, str], dict[str, Checked]]:
    """An object with any keys and values as ``check`` takes them."""

    def check_all(value: object, where: str) -> dict[str, Checked]:
        if not isinstance(value, dict):
            raise WireError(f"{where}: {shown(value)} is not an object")
        return {
            word(key, f"{where} (key)"): check(one, f"{where}[{shown(key)}]")
            for key, one in value.items()
        }

    return check_all


def texts(value: object, where: str) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list):
        raise WireError(f"{where}: {shown(value)} is not a list")
    return tuple(text(one, f"{where}[{at}]") for at, one in enumerate(value))


def scalar(value: object, where: str) -> bool | int | float | str:
    """A parameter's value."""
    if isinstance(value, bool):
        return value
    return text(value, where) if isinstance(value, str) else number(value, where)


def parse(data: bytes | str, where: str) -> object:
    """The JSON value of ``data``. Raises WireError."""
    try:
        return json.loads(data, object_pairs_hook=_unique, parse_constant=_no_number)
    except WireError as error:
        raise WireError(f"{where}: {error}") from None
    except RecursionError:
        raise WireError(f"{where}: it is nested too deeply") from None
    except ValueError as error:
        raise WireError(f"{where}: no JSON: {ascii(str(error))[1:-1]}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise WireError(f"key {shown(key)} is given twice")
        document[key] = value
    return document


def _no_number(constant: str) -> Any:
    raise WireError(f"{constant} is not a number of JSON")
