# SPDX-License-Identifier: GPL-2.0-only
"""KERNEL=local, on a machine that runs a variant, beside the same variant in a guest."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import EXIT_BAD_INPUT, EXIT_PREREQUISITE
from harness.model.reading import Source, Status
from harness.model.records import TrialRecord, TrialStatus
from harness.model.trial_settings import Counters, Mode, Pti
from harness.pipeline import Progress, RunRequest, run, show
from harness.pipeline.machine import Machine
from harness.store import load_run
from harness.tests.vm import bare
from harness.tests.vm.running_machine import CPUS, RunningMachine

pytestmark = pytest.mark.vm

VARIANT = "execmem"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    machine = RunningMachine(kernel=bare.kernel(VARIANT))
    return machine.results(tmp_path_factory.mktemp("machine"))


def text(results: Path, name: str) -> str:
    return (results / name).read_text()


def test_without_root_it_says_what_is_missing(results: Path) -> None:
    assert text(results, "user").startswith(
        f"{EXIT_PREREQUISITE} KERNEL=local: user 1000 may not load BPF programs"
    )


def test_what_the_machine_is_not_is_refused(results: Path) -> None:
    assert text(results, "pti") == (
        f"{EXIT_BAD_INPUT} --pti on with KERNEL=local: this machine has off: "
        "leave the option out, or boot the machine so"
    )
    assert "it counts guests only" in text(results, "model")


def test_the_machine_is_as_it_was(results: Path) -> None:
    """Also what a run that was killed had set."""
    before, killed, after = (text(results, name) for name in ("before", "killed", "after"))
    assert killed != before
    assert after == before


@pytest.fixture(scope="module")
def record(results: Path) -> TrialRecord:
    assert len(list((results / "runs").iterdir())) == 3, "the one that was killed, too"
    return record_of(results, "run")


def record_of(results: Path, name: str) -> TrialRecord:
    """The only record of the run whose place on the machine is in the file ``name``."""
    (record,) = load_run(results / "runs" / Path(text(results, name)).name).records
    assert record.status is TrialStatus.OK, record.failure
    return record


def test_perf_counts_on_the_machine(results: Path) -> None:
    """What its kernel counts is a number, and what it has no PMU for is none."""
    perf = {r.name: r for r in record_of(results, "perf").readings if r.source is Source.PERF}
    assert perf["context_switches"].status is Status.OK
    assert (perf["context_switches"].value or 0) > 0
    assert perf["iTLB-load-misses"].status is Status.NOT_SUPPORTED
    assert perf["iTLB-load-misses"].value is None


def test_its_settings_are_the_machine_s(record: TrialRecord) -> None:
    spec = record.spec
    assert (spec.mode, spec.counters, spec.pti) == (Mode.LOCAL, Counters.NONE, Pti.OFF)
    assert spec.smp == CPUS


FACTS = (
    "bpf.text.programs",
    "bpf.text.jited_bytes",
    "bpf.text.pages_4k",
    "bpf.text.pages_2m",
    "execmem.large_pages",
    "execmem.fallbacks",
    "wx.mappings",
)


def facts(record: TrialRecord) -> Mapping[tuple[str, str], float | None]:
    return {
        (reading.name, str(sorted(reading.labels.items()))): reading.value
        for reading in record.readings
        if reading.name in FACTS and reading.labels.get("at") in (None, "close")
    }


def test_the_facts_are_those_of_a_guest_in_one_table(
    record: TrialRecord, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = RunRequest(
        suite="smoke",
        kernels=VARIANT,
        settings={"mode": "fast", "counters": "none", "smp": CPUS, "pti": ("off",)},
        params=dict(record.spec.params),
        out=results / "runs",
    )
    # Facts do not depend on what else runs on the machine.
    outcome = run(request, Progress(), replace(Machine(), lock=tmp_path / "lock"))
    (guest,) = load_run(outcome.path).records
    assert guest.status is TrialStatus.OK, guest.failure
    assert facts(record)
    assert facts(record) == facts(guest)
    allow = ("trials.mode", "trials.memory_mib", "host.cpu")
    runs = [str(outcome.path), str(results / "runs" / Path(text(results, "run")).name)]
    show(runs, allow=allow, baseline=VARIANT)
    table = capsys.readouterr().out
    assert "trig-kprobe: local against execmem" in table
    assert table.count("page entries, BPF text") == 1, "one table"
