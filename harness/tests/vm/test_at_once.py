# SPDX-License-Identifier: GPL-2.0-only
"""Three people start the same run in the same second, on one machine, in one folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.store import load_run
from harness.tests.vm.bare import kernel

pytestmark = pytest.mark.vm

HERE = Path(__file__).parent / "guests" / "misbehaves"
PEOPLE = 3


def test_each_has_a_run_of_their_own_and_all_are_equal(tmp_path: Path) -> None:
    kernel("bpf_prog_pack")
    argv = [sys.executable, "-m", "harness", "run", "-k", "bpf_prog_pack", "-w", str(HERE)]
    argv += ["--pti", "on", "--seeds", "1", "--out", str(tmp_path)]
    running = [
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(PEOPLE)
    ]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * PEOPLE, said
    folders = sorted(path for path in tmp_path.iterdir() if path.is_dir())
    assert len(folders) == PEOPLE
    records = [load_run(folder).records[0] for folder in folders]
    assert all(record.failure is None for record in records)
    for name in ("channel.out.gz", "itlb.json.gz"):
        files = [folder / "raw" / records[0].trial / name for folder in folders]
        assert len({file.read_bytes() for file in files}) == 1, name
