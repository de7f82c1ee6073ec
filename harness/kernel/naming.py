# SPDX-License-Identifier: GPL-2.0-only
"""``KERNEL=``: a list of variants, files and folders, each with a name of the user's."""

import re
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
NAME_RULE = "a name is letters, digits and . _ + -, at most 64, and begins with a letter or digit"
LOCAL = "local"
"""Instead of a kernel: the one that is running."""
EXAMPLE = "KERNEL=good=path/a,bad=path/b"


@dataclass(frozen=True, kw_only=True)
class Word:
    """One item of the list. ``name`` is "" where the user gave none."""

    name: str
    value: str  # a variant's name or a path


def parse(text: str) -> tuple[Word, ...]:
    """The items of ``text``, in order.

    An item that names an existing file is that file, whatever is in its name. Raises UserError
    for an empty item, an item that is only a name, and a name that is none.
    """
    words = []
    for item in (part.strip() for part in text.split(",")):
        if not item:
            raise UserError(f"KERNEL={text!r} has an empty item", f"write it like {EXAMPLE}")
        name, equals, value = item.partition("=")
        if not equals or Path(item).expanduser().exists():
            words.append(Word(name="", value=item))
            continue
        if not value:
            raise UserError(f"KERNEL={text!r}: no kernel after {item!r}", f"like {EXAMPLE}")
        if not _NAME.fullmatch(name):
            raise UserError(f"KERNEL={text!r}: {name!r} cannot be a kernel's name", NAME_RULE)
        words.append(Word(name=name, value=value))
    return tuple(words)


_PREFIXES = ("linux-image-", "linux-binary-", "vmlinuz-", "bzImage-")
_PLAIN = ("vmlinuz", "bzImage")
"""Images that are named by the folder that they lie in, unless that is ``boot``."""


def default_name(path: Path) -> str:
    """A name for the kernel at ``path``: the release in the name of a package or an image, the
    folder of a plain image, the name of any other file or folder."""
    text = path.name
    if text.endswith(".deb"):
        text = text.removesuffix(".deb").partition("_")[0].removesuffix("-unsigned")
    for prefix in _PREFIXES:
        text = text.removeprefix(prefix)
    if text in _PLAIN and path.parent.name not in ("boot", ""):
        text = path.parent.name
    return re.sub(r"[^A-Za-z0-9._+]+", "-", text).strip("-._+")[:64] or "kernel"
