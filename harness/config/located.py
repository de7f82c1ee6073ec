# SPDX-License-Identifier: GPL-2.0-only
"""Where in a document a value is that does not fit, and what it is."""

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec


def located(error: msgspec.ValidationError, raw: object) -> str:
    """``error`` in one line: dotted path, what was expected, and the value in ``raw``."""
    reason, _, path = str(error).partition(" - at `")
    dotted = path.rstrip("`").removeprefix("$").removeprefix(".")
    value = value_at(raw, dotted)
    shown = f" (it is {value!r:.80})" if dotted and value is not None else ""
    return f"{dotted}: {reason}{shown}" if dotted else reason


def value_at(raw: Any, dotted: str) -> Any:
    """The value at ``dotted`` (``readings[3].unit``) in ``raw``; None where there is none."""
    for name, index in re.findall(r"([A-Za-z_]\w*)|\[(\d+|\.\.\.)\]", dotted):
        if name and isinstance(raw, dict):
            raw = raw.get(name)
        elif index.isdigit() and isinstance(raw, list) and int(index) < len(raw):
            raw = raw[int(index)]
        else:
            return None
    return raw


def not_finite(raw: object, path: str = "") -> Iterator[tuple[str, float]]:
    """Dotted path and value of each number in ``raw`` that is infinite or not a number."""
    if isinstance(raw, float) and not math.isfinite(raw):
        yield path, raw
    elif isinstance(raw, dict):
        for key, value in raw.items():
            yield from not_finite(value, f"{path}.{key}" if path else str(key))
    elif isinstance(raw, list):
        for index, value in enumerate(raw):
            yield from not_finite(value, f"{path}[{index}]")
