# SPDX-License-Identifier: GPL-2.0-only
"""A loop of known length under ``perf stat``."""

import json
import os
import struct
import subprocess
from pathlib import Path

from agent.workload_api import Context

PROGRAM = Path("/tmp/spin")
OUTPUT = Path("/tmp/pmu-check.json")
BASE = 0x400000
HEADERS = 64 + 56  # ELF header and one program header


def code(iterations: int) -> tuple[bytes, int]:
    """Machine code that loops and exits, and how many instructions it executes.

    mov ecx, N; 1: dec ecx; jnz 1b; mov eax, 60; xor edi, edi; syscall
    """
    text = b"\xb9" + struct.pack("<I", iterations) + bytes.fromhex("ffc975fcb83c00000031ff0f05")
    return text, 1 + 2 * iterations + 3


def executable(text: bytes) -> bytes:
    """A static ELF program for x86-64 that runs ``text``."""
    size = HEADERS + len(text)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, 2, 62, 1, BASE + HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 4096)
    return header + segment + text


class Workload:
    def setup(self, ctx: Context) -> None:
        text, self._expected = code(ctx.params["iterations"])
        PROGRAM.write_bytes(executable(text))
        PROGRAM.chmod(0o755)

    def warm(self, ctx: Context) -> None:
        ctx.run([str(PROGRAM)])

    def measure(self, ctx: Context) -> None:
        subprocess.run(
            ["perf", "stat", "-j", "-o", str(OUTPUT), "-e", "instructions:u", "--", str(PROGRAM)],
            env={**os.environ, "LC_ALL": "C"},
            stderr=subprocess.DEVNULL,
            check=False,
        )

    def teardown(self, ctx: Context) -> None:
        ctx.emit("pmu.instructions_expected", self._expected, "instruction")
        text = OUTPUT.read_text() if OUTPUT.exists() else ""
        ctx.keep("perf-stat.json", text.encode())
        rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        value = next((row.get("counter-value", "") for row in rows if "event" in row), "no output")
        try:
            counted = int(float(value))
        except ValueError:
            reason = f"perf: {value}"
            ctx.emit("pmu.instructions", None, "instruction", {}, "not_supported", reason)
        else:
            ctx.emit("pmu.instructions", counted, "instruction")
