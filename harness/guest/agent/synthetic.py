# SPDX-License-Identifier: GPL-2.0-only
"""BPF programs made up for load: sizes as in the published fleet, text that does nothing."""

import struct
from random import Random

from . import bpf

TYPES = (1, 6, 5)  # of bpf.h: socket filter, XDP, tracepoint
BYTES_PER_INSN = 7  # of machine code: add $imm32,%rax, as the x86 JIT writes it
SET, ADD, EXIT = (
    struct.pack("<BBhi", op, 0, 0, imm) for op, imm in ((0xB7, 0), (0x07, 1000), (0x95, 0))
)


def jited_bytes(rng: Random) -> int:
    """A size: half under 500 bytes, three quarters under 2 kB, a tail to 16 kB."""
    quarter = rng.randrange(4)
    if quarter < 2:
        return 64 + rng.randrange(436)
    return 500 + rng.randrange(1500) if quarter == 2 else 2000 + rng.randrange(14000)


def program(instructions: int) -> bytes:
    """r0 = 0, r0 += a constant wider than a byte as often as it takes, exit."""
    return SET + ADD * (instructions - 2) + EXIT


def result(instructions: int) -> int:
    """What that program returns, in 32 bits."""
    return (instructions - 2) * 1000 & 0xFFFFFFFF


def load(rng: Random) -> int:
    """Load a program of a random type and size; its file descriptor. Raises OSError."""
    length = 2 + jited_bytes(rng) // BYTES_PER_INSN
    return bpf.load(rng.choice(TYPES), program(length))
