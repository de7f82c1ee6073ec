# SPDX-License-Identifier: GPL-2.0-only
"""What a killed program leaves: no process, and no folder after the next run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness.paths import PROJECT
from harness.scratch import scratch, sweep

PROGRAM = """
import sys, time
from pathlib import Path
from harness import proc, scratch
with scratch.scratch(Path(sys.argv[1])) as folder, proc.start(["sleep", "1000"]) as child:
    (folder / "large").write_bytes(bytes(100_000))
    print(child.pid, flush=True)
    time.sleep(1000)
"""


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_folder_goes_at_the_end(tmp_path: Path) -> None:
    with scratch(tmp_path) as folder:
        assert folder.name.startswith(f"execmem-bench-{os.getpid()}-")
        assert sweep(tmp_path) == 0  # its process lives
    assert list(tmp_path.iterdir()) == []


def test_sigkill_leaves_no_process_and_the_next_run_clears_the_folder(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=PROJECT, text=True) as program:
        assert program.stdout is not None
        child = int(program.stdout.readline())
        assert alive(child)
        program.send_signal(signal.SIGKILL)
        program.wait()
    end = time.monotonic() + 10
    while alive(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(child)
    assert len(list(tmp_path.iterdir())) == 1
    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_folders_of_others_stay(tmp_path: Path) -> None:
    for name in ("execmem-bench-x1y2", "execmem-bench-abc-1", "another-1-2"):
        (tmp_path / name).mkdir()
    assert sweep(tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 3
