# SPDX-License-Identifier: GPL-2.0-only
"""The population: sizes, C text, hooks. Pure."""

import math
import random
from collections.abc import Sequence

BASE_BYTES = 90  # of JITed text around the steps, measured with bcc 0.26 on 6.1
STEP_BYTES = 17  # of one step: mov, shr, xor, imul, as the x86 JIT writes them
SMALL = tuple(range(130, 490, 24))
MIDDLE = tuple(range(560, 1950, 140))
TAIL = (2200, 2800, 3600, 4800, 6400, 8800, 12000)
MULTIPLIER = 0x5BD1E995

KPROBES = ("__x64_sys_getpgid", "__x64_sys_getppid", "vfs_read", "vfs_write", "do_sched_yield")
RAW_TRACEPOINTS = ("sys_enter", "sys_exit", "sched_switch")
RAW_SHARE = 0.2
"""Of the programs, on a raw tracepoint; each of those runs at every system call or switch."""


def sizes(largest: int) -> tuple[int, ...]:
    """JITed bytes aimed at, one function each: small, middle, and the tail up to ``largest``."""
    return tuple(size for size in (*SMALL, *MIDDLE, *TAIL) if size <= largest)


def steps(size: int) -> int:
    """Steps of a function that is to have ``size`` bytes of JITed text."""
    return max(1, (size - BASE_BYTES) // STEP_BYTES)


def source(wanted: Sequence[int]) -> str:
    """The C text: a function ``f<size>`` for each size. Nothing in it can be folded away."""
    functions = []
    for size in wanted:
        step = f"x ^= x >> 13; x *= {MULTIPLIER}ULL;"
        body = "\n\t".join([step] * steps(size))
        functions.append(
            f"int f{size}(void *ctx)\n{{\n\tint zero = 0;\n"
            f"\tu64 x = bpf_ktime_get_ns(), *sum;\n\t{body}\n"
            f"\tsum = sink.lookup(&zero);\n\tif (sum)\n\t\t*sum ^= x;\n\treturn 0;\n}}\n"
        )
    return "BPF_ARRAY(sink, u64, 1);\n" + "\n".join(functions)


def population(
    rng: random.Random, programs: int, under_500: float, under_2000: float, largest: int
) -> list[int]:
    """The sizes of ``programs`` programs in the order of their loading, by the two shares."""
    small = round(programs * under_500)
    middle = round(programs * under_2000) - small
    tail = programs - small - middle
    tails = [size for size in TAIL if size <= largest] or [MIDDLE[-1]]
    chosen = [
        *(rng.choice(SMALL) for _ in range(small)),
        *(rng.choice(MIDDLE) for _ in range(middle)),
        *(rng.choice(tails) for _ in range(tail)),
    ]
    rng.shuffle(chosen)
    return chosen


def share_under(values: Sequence[int], limit: int) -> float:
    """Share of ``values`` below ``limit``; ``values`` is not empty."""
    return sum(size < limit for size in values) / len(values)


def quantile(values: Sequence[int], q: float) -> int:
    """The smallest of ``values`` that a share ``q`` is at most; ``values`` is not empty."""
    return sorted(values)[max(0, math.ceil(q * len(values)) - 1)]
