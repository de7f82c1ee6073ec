# SPDX-License-Identifier: GPL-2.0-only
"""Workloads at the smallest size, as the user runs them; one that the user wrote."""

import re
from pathlib import Path
from typing import Any

import pytest

from harness.config import definitions
from harness.errors import UserError
from harness.model.reading import Status
from harness.model.records import TrialRecord, TrialStatus
from harness.paths import PROJECT
from harness.pipeline import Progress, RunRequest, run
from harness.store import load_run

pytestmark = pytest.mark.vm

BUILDS = ("upstream", "bpf_prog_pack", "execmem")


def trials(out: Path, workload: str, kernels: str, **params: Any) -> dict[str, TrialRecord]:
    """A trial of ``workload`` on each of ``kernels``, by build."""
    request = RunRequest(
        suite="smoke", workload=workload, kernels=kernels, params=params, out=out, jobs=1
    )
    records = load_run(run(request, Progress()).path).records
    for record in records:
        assert record.status is TrialStatus.OK, record.failure
    return {record.spec.variant: record for record in records}


def value(record: TrialRecord, name: str, source: str = "", **labels: str) -> float:
    """The value of the reading ``name``; of ``source`` where more than one reports it."""
    (found,) = (
        r.value
        for r in record.readings
        if r.name == name
        and r.labels.items() >= labels.items()
        and r.source != "host"
        and source in ("", r.source)
    )
    assert found is not None
    return found


def test_churn_on_three_builds(tmp_path: Path) -> None:
    found = trials(tmp_path, "churn", ",".join(BUILDS), loads=300, population=40, probe=50)
    for record in found.values():
        assert value(record, "load.count") == 300
        assert value(record, "bpf.text.programs", at="open") == 40
        assert value(record, "bpf.text.programs", at="end") == 0
        assert value(record, "wx.mappings", at="close") == 0
        assert value(record, "load.latency", kind="load", quantile="p50") > 0
        # Counted to the last one, in each window; unloading loads none.
        assert value(record, "ops", window="measured") == 300
        assert value(record, "ops", window="probe-load") == value(record, "load.probe") == 50
        assert value(record, "ops", window="probe-unload") == 0
        for window in ("probe-load", "probe-unload"):
            assert value(record, "insn.kernel", window=window) > 50 * 1000
        flushed = [r for r in record.readings if r.name == "tlb.flush"]
        assert flushed
        assert all(r.status is Status.OK for r in flushed)
    sent = [value(found[b], "tlb.remote_flush", "kernel", phase="window") for b in BUILDS]
    assert sent[0] > sent[1]
    assert value(found["upstream"], "bpf.text.held_bytes", at="open") >= 40 * 4096
    assert value(found["bpf_prog_pack"], "bpf.text.held_bytes", at="open") >= 2 << 20


def test_loaded_has_a_curve_over_the_corunners_hot_pages(tmp_path: Path) -> None:
    small = {"instances": 4, "hot_pages": 16, "rounds": 400, "pressure_percent": 10}
    (record,) = trials(tmp_path, "loaded", "bpf_prog_pack", sweep_calls=8192, **small).values()

    def curve(name: str, **labels: str) -> list[float]:
        return [value(record, name, cycle=str(n), **labels) for n in range(7)]

    sizes = curve("corunner.hot_pages")
    assert sizes == [64 << n for n in range(7)]
    walks = curve("itlb.walk_completed_4k", origin="corunner")
    assert all(walked >= pages for walked, pages in zip(walks, sizes, strict=True)), "each once"
    assert walks[-1] > 7000, "4,096 pages do not fit: nearly each of 8,192 calls walks"
    assert value(record, "context_switches", phase="window") > 0
    assert value(record, "itlb.walks", window="alone", origin="corunner") >= 16


def test_modules_are_mapped_and_counted(tmp_path: Path) -> None:
    (record,) = trials(tmp_path, "modules", "bpf_prog_pack", count=12).values()
    assert value(record, "modules.loaded", at="close") >= 12
    assert value(record, "modules.not_unloaded") == 0
    pages = [value(record, f"modules.{k}.pages_4k", at="close") for k in ("text", "rodata", "data")]
    assert sum(pages) * 4096 == value(record, "modules.bytes", at="close")


def test_hot_modules_walk(tmp_path: Path) -> None:
    (record,) = trials(tmp_path, "modules-hot", "bpf_prog_pack", processes=8, rounds=5).values()
    algorithms = value(record, "hot.algorithms")
    assert algorithms >= 12
    assert value(record, "ops") == algorithms * 8 * 5
    pages = value(record, "modules.text.pages_4k", at="open")
    assert pages > algorithms
    assert value(record, "itlb.walk_completed_4k", origin="module") >= pages / 2
    assert value(record, "itlb.walk_completed_2m_4m", origin="module") == 0


def test_ageing_gives_a_curve(tmp_path: Path) -> None:
    (record,) = trials(
        tmp_path, "ageing", "bpf_prog_pack", cycles=2, loads=60, population=10, rounds=20
    ).values()
    for cycle in "012":
        assert value(record, "direct_map.4k", cycle=cycle) > 0
        assert value(record, "insn.user", cycle=cycle) > 0
        assert value(record, "itlb.walk_completed_4k", cycle=cycle, origin="user") > 0
    assert value(record, "direct_map.splits_2m", cycle="0") == 0
    assert set(record.windows.values()) == {"measured"}


def example(text: str, name: str) -> str:
    """The file ``name`` of the example in CONTRIBUTING.md."""
    found = re.search(rf"^    # {re.escape(name)}\n((?:    .*\n|\n)+?)(?=\n    #|\n\S)", text, re.M)
    assert found is not None, name
    return re.sub(r"^    ", "", found[1], flags=re.M)


def test_the_workload_that_the_documentation_shows(tmp_path: Path) -> None:
    text = (PROJECT / "CONTRIBUTING.md").read_text()
    folder = tmp_path / "fork-storm"
    folder.mkdir()
    for name in ("workload.toml", "fork_storm.py"):
        (folder / name).write_text(example(text, f"fork-storm/{name}"))
    (record,) = trials(tmp_path / "out", str(folder), "bpf_prog_pack", forks=20).values()
    assert record.spec.workload == "fork-storm"
    assert value(record, "fork.time") > 1000
    assert not any("declared" in note for note in record.notes)
    (path,) = (tmp_path / "out").iterdir()
    (declared,) = load_run(path).manifest.readings["fork-storm"]
    assert (declared.name, declared.better) == ("fork.time", "lower")
    assert value(record, "itlb.walk_completed_4k", origin="all") > 0


def test_a_folder_without_a_workload_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no workload\.toml"):
        definitions.workload(str(tmp_path))
