# SPDX-License-Identifier: GPL-2.0-only
"""The program in the process of the tests: starting another takes a second."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from harness.cli import main


@dataclass(frozen=True)
class Done:
    """How the program ended."""

    returncode: int
    stdout: str
    stderr: str


Bench = Callable[..., Done]


def program(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """``execmem-bench`` as a function of its words."""

    def run(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["execmem-bench", *words])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        out = capfd.readouterr()
        return Done(code, out.out, out.err)

    return run
