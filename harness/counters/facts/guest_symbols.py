# SPDX-License-Identifier: GPL-2.0-only
"""Which text is where: BPF programs, trampolines, modules and the kernel image."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from harness.errors import DataError

TEXT_BYTES = 2 << 30
"""All that a jump of x86-64 reaches: the kernel's image and the area of modules and programs."""
_ADDRESS = re.compile(r"0x[0-9a-f]{1,16}")


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
    """``bpf_progs.json`` of the agent. Raises DataError, naming the program at fault."""
    try:
        decoded = tuple(msgspec.json.decode(data, type=list[Program]))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(str(error)) from error
    text = sum(length for program in decoded for length in program.func_lens)
    if text > TEXT_BYTES:
        raise DataError(f"programs have {text} bytes of text, more than its area")
    for program in decoded:
        who = f"program {program.id} ({program.name:.60})"
        if len(program.ksyms) != len(program.func_lens):
            raise DataError(
                f"{who} has {len(program.ksyms)} addresses and {len(program.func_lens)} lengths"
            )
        if not all(_ADDRESS.fullmatch(address) for address in program.ksyms):
            raise DataError(f"{who} has an address that is none: {program.ksyms!r:.200}")
        if any(length < 0 for length in program.func_lens):
            raise DataError(f"{who} has a function of less than no bytes")
        if program.jited_len and not any(int(address, 16) for address in program.ksyms):
            raise DataError(f"{who} has no address: kptr_restrict or bpf_jit_harden hides it")
    return decoded


_SYMBOL = re.compile(r"([0-9a-f]{16}) [a-zA-Z] (\S+)(?:\s+\[(.+)\])?")


@dataclass(frozen=True)
class Symbol:
    """A line of /proc/kallsyms."""

    address: int
    name: str
    owner: str  # module, "bpf", "__builtin__ftrace" ...; "" for the kernel image


def kallsyms(text: str) -> tuple[Symbol, ...]:
    """Lines of /proc/kallsyms, in the order of their addresses. Raises DataError."""
    symbols = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _SYMBOL.fullmatch(line.rstrip())
        if not match:
            raise DataError(f"line {number} is not a symbol: {line[:60]!r}")
        symbols.append(Symbol(int(match[1], 16), match[2], match[3] or ""))
    if not symbols:
        raise DataError("no symbol in it")
    if not any(s.address for s in symbols):
        raise DataError("every address is 0: kptr_restrict hides them")
    return tuple(sorted(symbols, key=lambda s: (s.address, s.name)))


# [owner]: a module, "bpf", or one of the kernel's own text allocators.
_OWNERS = {"__builtin__ftrace": "ftrace_trampoline", "__builtin__kprobes": "kprobe"}
_BPF = (("bpf_trampoline_", "bpf_trampoline"), ("bpf_dispatcher_", "bpf_dispatcher"))


def origin_of(symbol: Symbol) -> str:
    """The origin that text at ``symbol`` is counted under; "" for the kernel image."""
    if symbol.owner == "bpf":
        return next((origin for start, origin in _BPF if symbol.name.startswith(start)), "bpf_prog")
    if symbol.owner in _OWNERS:
        return _OWNERS[symbol.owner]
    return "module" if symbol.owner else ""
