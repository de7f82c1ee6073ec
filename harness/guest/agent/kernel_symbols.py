# SPDX-License-Identifier: GPL-2.0-only
"""Where functions of the kernel image are, by name, from one pass over /proc/kallsyms."""

import re
from collections.abc import Collection

CLONE = re.compile(rb"(\.(constprop|isra|llvm)\.\d+)+")
"""What compilers add to the name of a whole function that they have changed."""
TEXT_TYPES = frozenset(b"tTwW")


def functions(
    names: Collection[str], path: str = "/proc/kallsyms"
) -> tuple[dict[str, int | None], dict[str, str]]:
    """Address of each of ``names``, None for one that has none; and why it has none.

    A name that several functions have is ambiguous; one of which only a part is a function
    of its own (``.part.0``, ``.cold``) has no first instruction to count.
    """
    wanted = {name.encode() for name in names}
    whole: dict[bytes, set[int]] = {name: set() for name in wanted}
    parts: dict[bytes, bytes] = {}
    with open(path, "rb") as file:  # noqa: PTH123
        for line in file:
            if line.endswith(b"]\n"):
                continue  # of a module or a BPF program
            fields = line.split()
            base, _, _ = fields[2].partition(b".")
            if base not in wanted or fields[1][0] not in TEXT_TYPES:
                continue
            ending = fields[2][len(base) :]
            if not ending or CLONE.fullmatch(ending):
                whole[base].add(int(fields[0], 16))
            else:
                parts[base] = fields[2]
    addresses: dict[str, int | None] = {}
    reasons: dict[str, str] = {}
    for name in names:
        known = whole[name.encode()]
        addresses[name] = None
        if len(known) > 1:
            reasons[name] = f"the kernel has {len(known)} functions {name}"
        elif 0 in known:
            reasons[name] = f"kptr_restrict hides the address of {name}"
        elif known:
            (addresses[name],) = known
        elif name.encode() in parts:
            part = parts[name.encode()].decode(errors="replace")
            reasons[name] = f"the compiler inlined {name}: only {part} is left of it"
        else:
            reasons[name] = f"the kernel has no function {name}, or the compiler inlined it"
    return addresses, reasons
