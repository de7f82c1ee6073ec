# SPDX-License-Identifier: GPL-2.0-only
"""A loop of known length and known branches under ``perf stat``."""

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
EVENTS = ("instructions", "branches")


def code(iterations: int) -> tuple[bytes, dict[str, int]]:
    """Machine code that loops and exits, and how many of each event it is, in user mode.

    mov ecx, N; 1: dec ecx; jnz 1b; mov eax, 60; xor edi, edi; syscall
    """
    text = b"\xb9" + struct.pack("<I", iterations) + bytes.fromhex("ffc975fcb83c00000031ff0f05")
    return text, {"instructions": 1 + 2 * iterations + 3, "branches": iterations}


def counted(output: str, event: str) -> tuple[int | None, str]:
    """The count of ``event:u`` in perf's JSON lines, or None and why there is none.

    perf says 100 % of a row that was not counted, and no time: the time is judged.
    """
    rows = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    row = next((row for row in rows if row.get("event", "").startswith(event)), None)
    if row is None:
        return None, "perf: no output"
    value = row.get("counter-value", "")
    if "<" in value:
        return None, f"perf: {value}"
    share = float(row.get("pcnt-running", 0))
    if not row.get("event-runtime") or share < 100:
        return None, f"perf: {value}, counted {share:g} % of the time"
    return int(float(value)), ""


def executable(text: bytes) -> bytes:
    """A static ELF program for x86-64 that runs ``text``."""
    size = HEADERS + len(text)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, 2, 62, 1, BASE + HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 4096)
    return header + segment + text


def status(why: str) -> tuple[str, ...]:
    """Status and reason of a count, where ``why`` says that there is none."""
    return ("not_supported", why) if why else ()


class Workload:
    def setup(self, ctx: Context) -> None:
        text, self._expected = code(ctx.params["iterations"])
        PROGRAM.write_bytes(executable(text))
        PROGRAM.chmod(0o755)

    def warm(self, ctx: Context) -> None:
        ctx.run([str(PROGRAM)])

    def measure(self, ctx: Context) -> None:
        asked = [word for event in EVENTS for word in ("-e", f"{event}:u")]
        subprocess.run(
            ["perf", "stat", "-j", "-o", str(OUTPUT), *asked, "--", str(PROGRAM)],
            env={**os.environ, "LC_ALL": "C"},
            stderr=subprocess.DEVNULL,
            check=False,
        )

    def teardown(self, ctx: Context) -> None:
        text = OUTPUT.read_text() if OUTPUT.exists() else ""
        ctx.keep("perf-stat.json", text.encode())
        expected = self._expected
        ctx.emit("pmu.instructions_expected", expected["instructions"], "instruction")
        ctx.emit("pmu.branches_expected", expected["branches"], "branch")
        value, why = counted(text, "instructions")
        ctx.emit("pmu.instructions", value, "instruction", {}, *status(why))
        value, why = counted(text, "branches")
        ctx.emit("pmu.branches", value, "branch", {}, *status(why))
