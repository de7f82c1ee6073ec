# SPDX-License-Identifier: GPL-2.0-only
"""Text of others on a terminal: what would move its cursor, colour it or reorder it is shown as
an escape."""

import unicodedata

MOST = 1000
"""Characters of a line that tells what is wrong."""
_CUT = " ... "
_SEPARATORS = ("Zl", "Zp")
"""Line and paragraph separators (Unicode's categories)."""


def printable(text: str, keep: str = "\n\t") -> str:
    """``text`` with controls, formats, surrogates and separators of lines as Python writes them,
    but for those in ``keep``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in keep or _shows(c) else _escaped(c) for c in text)


def one_line(text: str, most: int = MOST) -> str:
    """``text`` as one line of at most ``most`` characters; its ends where it is longer."""
    line = printable(text, keep="")
    if len(line) <= most:
        return line
    half = (most - len(_CUT)) // 2
    return f"{line[:half]}{_CUT}{line[-half:]}"


def _shows(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] != "C" and category not in _SEPARATORS


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
