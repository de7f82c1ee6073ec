# SPDX-License-Identifier: GPL-2.0-only
"""Whose text an address is: symbols first, ranges after."""

import bisect
from collections.abc import Sequence

from harness.counters.facts.guest_symbols import Program, Symbol, origin_of

PAGE = 1 << 12
LARGE_PAGE = 1 << 21

Origin = tuple[str, str]
"""Origin and name; the name is "" where nobody told one."""

UNKNOWN: Origin = ("other", "")


class TextMap:
    """The kernel's text at one moment. Programs by their exact bounds come first.

    An allocator may put programs behind _etext, inside the kernel image's last 2 MB page:
    so the image is asked last.
    """

    def __init__(self, progs: Sequence[Program], symbols: Sequence[Symbol]) -> None:
        self._spans = sorted(
            (start, end, f"{p.name or p.tag}#{p.id}") for p in progs for start, end in p.spans
        )
        self._starts = [start for start, _, _ in self._spans]
        self._known = frozenset(self._starts)
        self._dynamic = [s for s in symbols if s.owner]
        self._dynamic_at = [s.address for s in self._dynamic]
        named = {s.name: s.address for s in symbols if not s.owner}
        self.start = named.get("_text", named.get("_stext"))
        self.etext = named.get("_etext")
        self._init = (named.get("_sinittext"), named.get("_end"))

    def find(self, address: int) -> Origin:
        """(origin, name) of the kernel text at ``address``; ("other", "") when unknown."""
        i = bisect.bisect_right(self._starts, address) - 1
        if i >= 0 and address < self._spans[i][1]:
            return "bpf_prog", self._spans[i][2]
        near = self._nearest(address)
        if near is not None:
            origin = origin_of(near)
            if origin == "bpf_prog" and near.address in self._known:
                return origin, ""  # behind a program's end: one without a symbol
            return origin, near.owner if origin == "module" else near.name
        if self._in_image(address):
            return "kernel_image", ""
        return UNKNOWN

    def in_last_page(self, address: int) -> bool:
        """Whether ``address`` is in the image's text, to the end of its last 2 MB page."""
        if self.start is None or self.etext is None:
            return False
        return self.start <= address < self.etext + -self.etext % LARGE_PAGE

    def _in_image(self, address: int) -> bool:
        """In [_text, _etext), or in the text that only boot runs."""
        if self.start is not None and self.etext is not None and self.start <= address < self.etext:
            return True
        first, last = self._init
        return first is not None and last is not None and first <= address < last

    def _nearest(self, address: int) -> Symbol | None:
        """The symbol outside the image that ``address`` belongs to, by nearness.

        kallsyms has no sizes: a symbol reaches to the next one, at most to the end of its
        page; a module's text to the end of the page of the module's last symbol.
        """
        i = bisect.bisect_right(self._dynamic_at, address) - 1
        if i < 0:
            return None
        symbol = self._dynamic[i]
        if address < symbol.address + PAGE - symbol.address % PAGE:
            return symbol
        following = self._dynamic[i + 1 : i + 2]
        if origin_of(symbol) == "module" and following and following[0].owner == symbol.owner:
            return symbol
        return None
