# SPDX-License-Identifier: GPL-2.0-only
"""Which text is where: BPF programs, trampolines, modules and the kernel image."""

import bisect
import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from harness.errors import DataError

PAGE = 1 << 12
LARGE_PAGE = 1 << 21


@dataclass(frozen=True)
class Program:
    """A loaded BPF program as bpf(2) tells it. Lengths in bytes."""

    id: int
    name: str
    tag: str
    type: int
    jited_len: int
    xlated_len: int
    ksyms: Sequence[str]  # address of each function
    func_lens: Sequence[int]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """[start, end) of each function's JITed text."""
        return [
            (int(start, 16), int(start, 16) + length)
            for start, length in zip(self.ksyms, self.func_lens, strict=True)
        ]


def programs(data: bytes) -> tuple[Program, ...]:
    """``bpf_progs.json`` of the agent. Raises DataError."""
    try:
        return tuple(msgspec.json.decode(data, type=list[Program]))
    except msgspec.DecodeError as error:
        raise DataError(f"bpf_progs.json: {error}") from error


@dataclass(frozen=True)
class Symbol:
    """A line of /proc/kallsyms."""

    address: int
    name: str
    owner: str  # module, "bpf", "__builtin__ftrace" ...; "" for the kernel image


def kallsyms(text: str) -> tuple[Symbol, ...]:
    """Lines of /proc/kallsyms, in the order of their addresses. Raises DataError."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if len(fields) not in (3, 4) or not re.fullmatch(r"[0-9a-f]{16}", fields[0]):
            raise DataError(f"kallsyms line {number} is not recognised: {line[:60]!r}")
        found.append(
            Symbol(int(fields[0], 16), fields[2], fields[3].strip("[]") if fields[3:] else "")
        )
    if found and not any(s.address for s in found):
        raise DataError("all addresses of kallsyms are 0: kptr_restrict hides them")
    return tuple(sorted(found, key=lambda s: (s.address, s.name)))


_OWNERS = {"__builtin__ftrace": "ftrace_trampoline", "__builtin__kprobes": "kprobe"}
_BPF = (("bpf_trampoline_", "bpf_trampoline"), ("bpf_dispatcher_", "bpf_dispatcher"))


def origin_of(symbol: Symbol) -> str:
    """The origin that text at ``symbol`` is counted under; "" for the kernel image."""
    if symbol.owner == "bpf":
        return next((origin for start, origin in _BPF if symbol.name.startswith(start)), "bpf_prog")
    if symbol.owner in _OWNERS:
        return _OWNERS[symbol.owner]
    return "module" if symbol.owner else ""


class TextMap:
    """Finds whose text an address is. Programs by their exact bounds come first."""

    def __init__(self, progs: Sequence[Program], symbols: Sequence[Symbol]) -> None:
        spans = sorted(
            (start, end, f"{p.name or p.tag}#{p.id}") for p in progs for start, end in p.spans
        )
        self._starts = [s[0] for s in spans]
        self._spans = spans
        named = {s.name: s.address for s in symbols if not s.owner}
        self.image_start = named.get("_text", named.get("_stext"))
        etext = named.get("_etext")
        self.image_end = None if etext is None else etext + -etext % LARGE_PAGE
        dynamic = [s for s in symbols if s.owner]
        self._dynamic = dynamic
        self._dynamic_at = [s.address for s in dynamic]

    def find(self, address: int) -> tuple[str, str]:
        """(origin, name) of the kernel text at ``address``; ("other", "") when unknown."""
        i = bisect.bisect_right(self._starts, address) - 1
        if i >= 0 and address < self._spans[i][1]:
            return "bpf_prog", self._spans[i][2]
        near = self._nearest(address)
        if near is not None:
            name = near.owner if origin_of(near) == "module" else near.name
            return origin_of(near), name
        if self.in_image(address):
            return "kernel_image", ""
        return "other", ""

    def in_image(self, address: int) -> bool:
        """Whether the address is in the kernel image's text, to the end of its last 2 MB page."""
        if self.image_start is None or self.image_end is None:
            return False
        return self.image_start <= address < self.image_end

    def _nearest(self, address: int) -> Symbol | None:
        """The symbol outside the image that ``address`` belongs to, by nearness.

        kallsyms has no sizes: a symbol reaches to the next one, at most to the end of its
        page; a module's text to the end of the module's last symbol's page.
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
