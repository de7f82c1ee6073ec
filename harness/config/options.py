# SPDX-License-Identifier: GPL-2.0-only
"""What the user may override on the command line, parsed from its text."""

from harness.config import settings
from harness.errors import UserError
from harness.model.specs import MAX_SEEDS, Scalar


def seeds(text: str) -> tuple[int, ...]:
    """``"3"`` is three seeds (1, 2, 3); ``"4,7"`` or ``"4,"`` is a list; ``"5-9"`` a range.

    Raises UserError on anything else, on a seed outside 0..2**31-1, on a repeated one and on
    more than MAX_SEEDS of them.
    """
    where = f"--seeds {text!r:.60}"
    usage = "give a count (3), a list (4,7) or a range (5-9)"
    try:
        if "," in text:
            return settings.seeds([int(part) for part in text.split(",") if part.strip()], where)
        first, dash, last = text.partition("-")
        numbers = range(int(first), int(last) + 1) if dash else range(1, int(first) + 1)
    except ValueError:
        raise UserError(where, usage) from None
    # Counted before they are made: a number of two billion is refused at once. len() of such a
    # range may not fit either.
    if numbers.stop - numbers.start > MAX_SEEDS:
        raise UserError(
            f"{where}: {numbers.stop - numbers.start} seeds", f"give at most {MAX_SEEDS}"
        )
    if not numbers:
        raise UserError(where, usage)
    return settings.seeds(numbers, where)


def params(items: tuple[str, ...]) -> dict[str, Scalar]:
    """``KEY=VALUE`` items to workload parameters: true/false, int, float, else text."""
    out: dict[str, Scalar] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UserError(f"--param {item!r}", "give KEY=VALUE")
        out[key] = scalar(value)
    return out


def percentage(text: str, option: str) -> float:
    """``"2%"`` or ``"2"``: a percentage from 0 to 100. Raises UserError for anything else."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1
    if not 0 <= value <= 100:
        raise UserError(f"{option} {text!r:.60}", "give a percentage from 0% to 100%")
    return value


def scalar(text: str) -> Scalar:
    """The narrowest of bool, int, float and str that ``text`` writes."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
