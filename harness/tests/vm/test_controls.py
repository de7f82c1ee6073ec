# SPDX-License-Identifier: GPL-2.0-only
"""Does the instrument move when it must? Kernel text on small pages has to be seen."""

from pathlib import Path

import pytest

from harness.pipeline import Progress, RunRequest, run
from harness.store import load_run

pytestmark = pytest.mark.vm


def test_kernel_text_on_small_pages_raises_the_count(tmp_path: Path) -> None:
    request = RunRequest(
        suite="smoke",
        kernels="bpf_prog_pack,text-4k",
        settings={"pti": "on", "counters": "model"},
        out=tmp_path,
    )
    outcome = run(request, Progress(quiet=True))
    assert (outcome.failed, outcome.interrupted) == (0, False)
    found = {
        (record.spec.variant, reading.name): reading.value
        for record in load_run(outcome.path).records
        for reading in record.readings
        if reading.labels == {"window": "measured", "origin": "kernel_image"}
    }
    small, large = "itlb.walk_completed_4k", "itlb.walk_completed_2m_4m"
    usual, split = found["bpf_prog_pack", small], found["text-4k", small]
    assert usual is not None
    assert split is not None
    assert split > 5 * max(1, usual)
    assert found["bpf_prog_pack", large]
    assert found["text-4k", large] == 0
