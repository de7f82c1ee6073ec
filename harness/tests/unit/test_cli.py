# SPDX-License-Identifier: GPL-2.0-only
"""Bad input ends in one line that says what and how to mend it, with the documented code."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.tests.unit.in_process import Bench


def test_the_program_as_it_is_started() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "compare", "nosuch"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("execmem-bench: no run 'nosuch'")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "-k", "nosuch", "--counters", "none"), "no kernel 'nosuch'"),
        (("run", "-k", "/etc/passwd", "--counters", "none"), "/etc/passwd"),
        (("run", "--suite", "quik", "--counters", "none"), "did you mean 'quick'"),
        (("run", "--workload", "nosuch", "--counters", "none"), "no workload 'nosuch'"),
        (("run", "--seeds", "x", "--counters", "none"), "--seeds 'x'"),
        (("run", "--profile", "z80", "--counters", "none"), "no CPU profile 'z80'"),
        (("run", "-p", "instances=many", "--counters", "none"), "instances='many'"),
        (("compare", "nosuch"), "no run 'nosuch'"),
        (("export", "nosuch", "--format", "csv"), "no run 'nosuch'"),
    ],
)
def test_one_line_and_exit_code_2(bench: Bench, words: tuple[str, ...], said: str) -> None:
    done = bench(*words)
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("execmem-bench: ")
    assert said in lines[-1]
    assert "Traceback" not in done.stderr


def test_truncated_image(bench: Bench, tmp_path: Path) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(b"\0" * 0x1F1 + b"\x1f" + b"\0" * 12 + b"\x55\xaa" + b"\0\0HdrS" + b"\0" * 64)
    done = bench("run", "-k", str(image), "--counters", "none")
    assert done.returncode == 2
    assert str(image) in done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("command", ["build", "run", "compare", "export", "list", "shell", "cache"])
def test_help_documents_the_exit_codes(bench: Bench, command: str) -> None:
    done = bench(command, "--help")
    assert done.returncode == 0
    assert "130  interrupted" in done.stdout


def test_list_names_the_question_of_each_workload(bench: Bench) -> None:
    done = bench("list", "--workloads")
    assert done.returncode == 0
    assert "trig-kprobe" in done.stdout
    assert "?" in done.stdout
