# SPDX-License-Identifier: GPL-2.0-only
"""What the user may override on the command line, parsed from its text."""

from harness.errors import UserError
from harness.model import Scalar


def seeds(text: str) -> tuple[int, ...]:
    """``"3"`` is three seeds (1, 2, 3); ``"4,7"`` or ``"4,"`` is a list; ``"5-9"`` a range.

    Raises UserError on anything else, on a seed outside 0..2**31-1 and on a repeated one.
    """
    bad = UserError(f"--seeds {text!r}", "give a count (3), a list (4,7) or a range (5-9)")
    try:
        if "," in text:
            found = [int(part) for part in text.split(",") if part.strip()]
        elif "-" in text:
            first, last = text.split("-")
            found = list(range(int(first), int(last) + 1))
        else:
            found = list(range(1, int(text) + 1))
    except ValueError:
        raise bad from None
    if not found or len(set(found)) != len(found) or not all(0 <= n < 2**31 for n in found):
        raise bad
    return tuple(found)


def pti(text: str) -> tuple[str, ...]:
    """``on``, ``off`` or ``both``; raises UserError otherwise."""
    choices = {"on": ("on",), "off": ("off",), "both": ("on", "off")}
    if text not in choices:
        raise UserError(f"--pti {text!r}", "give on, off or both")
    return choices[text]


def params(items: tuple[str, ...]) -> dict[str, Scalar]:
    """``KEY=VALUE`` items to workload parameters: true/false, int, float, else text."""
    out: dict[str, Scalar] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UserError(f"--param {item!r}", "give KEY=VALUE")
        out[key] = scalar(value)
    return out


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
