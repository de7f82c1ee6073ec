# SPDX-License-Identifier: GPL-2.0-only
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness import proc
from harness.errors import PrerequisiteError


def test_output_and_time() -> None:
    done = proc.run([sys.executable, "-c", "print('out')"])
    assert (done.stdout, done.returncode) == ("out\n", 0)
    assert done.seconds > 0


def test_failure_names_command_status_and_output() -> None:
    with pytest.raises(proc.CommandError, match="ended with 3") as caught:
        proc.run([sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"])
    assert "why" in caught.value.output


def test_log_has_both_streams_and_lines_arrive(tmp_path: Path) -> None:
    seen: list[str] = []
    code = "import sys; print('a', flush=True); print('b', file=sys.stderr)"
    proc.run([sys.executable, "-c", code], log=tmp_path / "log", on_line=seen.append)
    assert (tmp_path / "log").read_text() == "a\nb\n"
    assert seen == ["a", "b"]


@pytest.mark.parametrize("logged", [False, True])
def test_timeout_kills_the_whole_group(tmp_path: Path, logged: bool) -> None:
    marker = tmp_path / "grandchild"
    later = f"import time; time.sleep(1); open({str(marker)!r}, 'w')"
    code = (
        "import subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-c', sys.argv[1]]); time.sleep(30)"
    )
    began = time.monotonic()
    with pytest.raises(proc.CommandError, match=r"timed out after 0\.3 s; killed"):
        proc.run(
            [sys.executable, "-c", code, later],
            timeout=0.3,
            log=tmp_path / "log" if logged else None,
        )
    assert time.monotonic() - began < 10
    time.sleep(1)
    assert not marker.exists()


def test_missing_program() -> None:
    with pytest.raises(PrerequisiteError, match="no-such-program is not installed"):
        proc.run(["no-such-program"])


def test_background_is_stopped() -> None:
    with proc.start([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        assert process.poll() is None
    assert process.poll() is not None


FORGETS = """
import sys, time
from harness import proc
forgets = "import ctypes, sys, time; ctypes.CDLL(None).prctl(1, 0); open(sys.argv[1], 'w').close()"
argv = [sys.executable, "-c", f"{forgets}; time.sleep(60)", sys.argv[1]]
with proc.start(argv, stderr=None) as process, proc.ended_with_us(process):
    print(process.pid, flush=True)
    time.sleep(60)
"""
"""What a program does whose command changes its user: the kernel's word is gone."""


def test_a_command_that_forgot_us_ends_when_we_are_killed(tmp_path: Path) -> None:
    has_forgotten = tmp_path / "forgotten"
    argv = [sys.executable, "-c", FORGETS, str(has_forgotten)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        command = psutil.Process(int(program.stdout.readline()))
        deadline = time.monotonic() + 30
        while not has_forgotten.exists() and time.monotonic() < deadline:
            assert command.is_running()
            time.sleep(0.05)
        program.kill()
        program.wait()
        assert has_forgotten.exists()
        assert psutil.wait_procs([command], timeout=10)[1] == []


def test_nothing_watches_a_command_that_has_ended() -> None:
    with proc.start(["sleep", "60"]) as process, proc.ended_with_us(process):
        pass
    left = [child.name() for child in psutil.Process().children()]
    assert [name for name in left if name in ("sh", "sleep")] == []
