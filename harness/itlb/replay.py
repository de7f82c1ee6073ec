# SPDX-License-Identifier: GPL-2.0-only
"""Replaying a recorded trace for any CPU profile and policy."""

from collections.abc import Mapping
from pathlib import Path

from harness import proc
from harness.errors import DataError
from harness.itlb import plugin
from harness.model.trial_settings import setting_text


def replay(trace: Path, profile: Path, options: Mapping[str, object], out: Path) -> Path:
    """Write to ``out`` the report that the plugin would have written, and return ``out``.

    ``options`` are those of ``options.c`` beside the files; whether the guest ran with
    page-table isolation is in the trace. Raises DataError for a trace that is cut short,
    damaged or of another version, or a profile that is none; PrerequisiteError without a
    compiler.
    """
    files = {"trace": trace, "profile": profile, "out": out}
    words = {key: str(path) for key, path in files.items()}
    words |= {key: setting_text(value) for key, value in options.items()}
    argv = [str(plugin.build_replay()), *(f"{key}={value}" for key, value in words.items())]
    done = proc.run(argv, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise DataError(lines[-1] if lines else f"replay ended with {done.returncode}")
    return out
