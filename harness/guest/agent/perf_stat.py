# SPDX-License-Identifier: GPL-2.0-only
"""The measured window under ``perf stat``."""

import os
import subprocess

OUTPUT = "/tmp/perf-stat.json"


def argv(events: list[str], seconds: float) -> list[str]:
    """perf on all CPUs for ``seconds``, one JSON object a line into OUTPUT."""
    chosen = [word for event in events for word in ("-e", event)]
    return ["perf", "stat", "-a", "-j", "-o", OUTPUT, *chosen, "--", "sleep", f"{seconds:g}"]


def run(events: list[str], seconds: float) -> tuple[int, bytes, bytes]:
    """Run it; returns perf's exit status, its output file and its standard error."""
    done = subprocess.run(
        argv(events, seconds),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    try:
        with open(OUTPUT, "rb") as file:  # noqa: PTH123
            output = file.read()
    except FileNotFoundError:
        output = b""
    return done.returncode, output, done.stderr
