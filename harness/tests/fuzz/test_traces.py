# SPDX-License-Identifier: GPL-2.0-only
"""A million damaged traces and profiles, read by the model's own code with ASan and UBSan."""

import gzip
import json
from pathlib import Path

import pytest

from harness import proc
from harness.itlb import plugin
from harness.tests.unit.test_itlb_replay import POLICIES, PROFILES, SANITIZE, operations, record
from harness.tests.unit.test_itlb_replay import programs as programs

pytestmark = pytest.mark.long
CASES = 1_000_000
SIZES = (30, 60, 120)
"""Operations in a trace that is damaged: a short one is read in a tenth of a millisecond."""


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fuzzer") / "fuzzer"
    argv = plugin.replay_argv(out, (*SANITIZE, f"-I{plugin.SOURCES}"))
    replay = str(plugin.SOURCES / plugin.DRIVER)
    proc.run([str(plugin.HERE / "fuzzer.c") if word == replay else word for word in argv])
    return out


def test_read_or_refused_in_one_line(
    fuzzer: Path, programs: dict[str, Path], tmp_path: Path
) -> None:
    words = [f"profile={path}" for path in PROFILES]
    for number, options in enumerate(POLICIES):
        for size in SIZES:
            folder = tmp_path / f"{number}-{size}"
            folder.mkdir()
            packed, _ = record(programs, folder, operations(number, size), *options)
            plain = folder / "plain"
            plain.write_bytes(gzip.decompress(packed.read_bytes()))
            words += [f"trace={packed}", *(f"trace={plain}" for _ in range(2))]
    done = proc.run([str(fuzzer), "1", str(CASES), *words])
    report, _, last = done.stdout.rstrip().rpartition("\n")
    json.loads(report)
    counts = [int(word) for word in last.split()]
    assert sum(counts) == CASES
    assert min(counts) > CASES // 200, counts  # of both kinds, read and refused
