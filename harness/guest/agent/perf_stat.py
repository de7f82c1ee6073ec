# SPDX-License-Identifier: GPL-2.0-only
"""The measured window under ``perf stat``."""

import os
import subprocess

OUTPUT = "/tmp/perf-stat.json"


def sleep_argv(seconds: float) -> list[str]:
    """The command that does nothing for ``seconds``."""
    return ["sleep", f"{seconds:g}"]


def argv(events: list[str], command: list[str]) -> list[str]:
    """perf on all CPUs while ``command`` runs, one JSON object a line into OUTPUT."""
    chosen = [word for event in events for word in ("-e", event)]
    return ["perf", "stat", "-a", "-j", "-o", OUTPUT, *chosen, "--", *command]


def run(
    events: list[str], command: list[str], output_file: str = os.devnull
) -> tuple[int, bytes, bytes]:
    """Run it, what ``command`` prints going to ``output_file``; returns perf's exit status
    (that of ``command`` where perf itself has no complaint), its figures and its standard
    error."""
    with open(output_file, "wb") as out:  # noqa: PTH123
        done = subprocess.run(
            argv(events, command),
            stdout=out,
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
