# SPDX-License-Identifier: GPL-2.0-only
"""What the user looks at: lists, validations, CPUs side by side, as text and as JSON."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.kernel import Kernel
from harness.model.records import KernelIdentity
from harness.pipeline import views
from harness.pipeline.hardware import Hardware, PerfCount
from harness.pipeline.process_guest import ProcessCheck
from harness.pipeline.validation import Check, Counts, Validation
from harness.store import create_run
from harness.tests.unit import synthetic_runs as made

EXACT = Check(
    profile="zen3", pti="on", page_size="4k", pages=65, stride=2, edge="l1 full",
    source="reference", expected=Counts(lookups=9, l1_hits=5, stlb_hits=3, walks=1),
    counted=Counts(lookups=9, l1_hits=5, stlb_hits=3, walks=1),
)  # fmt: skip
TURNS = ProcessCheck(
    profile="zen3", pti="on", kind="exec", processes=7, page="own", expected=420, counted=420
)

COUNTED = PerfCount(
    pages=65, page_size="4k", stride=2, event="walks", expected=3000, counted=3050, accesses=65_000
)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def shown(
    capsys: pytest.CaptureFixture[str], validation: Validation, *, as_json: bool = False
) -> str:
    views.show_validation(validation, as_json=as_json)
    return capsys.readouterr().out


def test_a_validation_is_told_loop_by_loop(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = replace(EXACT, counted=Counts(lookups=9, l1_hits=6, stlb_hits=3, walks=0))
    disturbed = replace(EXACT, counted=None)
    kernels_page = replace(TURNS, page="kernel", expected=60, counted=61)
    text = shown(
        capsys,
        Validation(
            kernel="bpf_prog_pack",
            checks=(EXACT, wrong, disturbed),
            hardware=Hardware(note="counted in a KVM guest", counts=(COUNTED,)),
            processes=(TURNS, kernels_page),
        ),
    )  # fmt: skip
    assert "65 x 4k, every 2th" in text
    assert "5 / 3 / 1 (reference)" in text
    assert "6 / 3 / 0" in text
    assert "zen3: 3 loops: 1 exact, 1 differs" in text
    assert "61, not 60" in text
    assert "2 counts of loops over processes: 1 exact" in text
    assert "hardware counters: counted in a KVM guest" in text
    assert "+0.0008" in text


def test_loops_over_processes_that_were_not_run_say_why(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(
        capsys,
        Validation(
            kernel="k",
            checks=(EXACT,),
            hardware=Hardware(note="not supported: no KVM"),
            processes_note="the kernel has no types",
        ),
    )
    assert "loops over processes: not run: the kernel has no types" in text


def test_small_kernel_pages_are_said_to_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(
        capsys,
        Validation(kernel="k", checks=(EXACT,), hardware=Hardware(note=""), processes=(TURNS,)),
    )
    assert "Not compared: the kernel's own page, for its text is on small pages" in text


def test_a_validation_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = replace(EXACT, counted=None)
    hardware = Hardware(note="counted", counts=(COUNTED,))
    validation = Validation(kernel="k", checks=(EXACT, wrong), hardware=hardware)
    document = json.loads(shown(capsys, validation, as_json=True))
    assert [check["verdict"] for check in document["checks"]] == ["exact", "disturbed"]
    assert document["ok"] is False
    (count,) = document["hardware"]["counts"]
    assert count["error"] == pytest.approx(50 / 65_000), "the model's error, to be published"
    assert document["host"]["kernel"]


def test_lists_name_everything() -> None:
    text = views.listing(workloads_only=False, as_json=False)
    for name in ("bpf_prog_pack", "nightly", "skylake-sp", "trig-kprobe"):
        assert name in text
    assert "nightly" not in views.listing(workloads_only=True, as_json=False)
    document = json.loads(views.listing(workloads_only=False, as_json=True))
    assert {"workloads", "variants", "suites", "profiles"} == set(document)
    assert set(json.loads(views.listing(workloads_only=True, as_json=True))) == {"workloads"}


def test_kernels_are_described_by_name_release_and_hash(tmp_path: Path) -> None:
    identity = KernelIdentity(name="good", image_sha256="0123456789abcdef", release="6.1.0-56")
    kernel = Kernel(identity=identity, title="", image=tmp_path / "bzImage")
    told = views.describe_kernels([kernel], as_json=False)
    assert told == f"good: 6.1.0-56 0123456789ab {tmp_path / 'bzImage'}"
    (document,) = json.loads(views.describe_kernels([kernel], as_json=True))
    assert (document["name"], document["image"]) == ("good", str(tmp_path / "bzImage"))


def test_cpus_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for profile in ("skylake-sp", "zen3"):
        trials = [made.spec(v, s, profile=profile) for s in (1, 2) for v in made.VARIANTS]
        manifest = made.manifest(trials, f"20260101T000000Z-quick-{profile}")
        with create_run(manifest, tmp_path) as writer:
            for trial in trials:
                writer.append(made.record(trial))
        paths.append(str(tmp_path / manifest.run))
    views.show_profiles(paths, as_json=False)
    text = capsys.readouterr().out
    assert "skylake-sp" in text
    assert "zen3" in text
    views.show_profiles(paths, as_json=True)
    assert json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("form", "begins"), [("json", '{"runs":'), ("markdown", "# ")])
def test_a_comparison_in_other_forms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, begins: str
) -> None:
    run = made.run(seeds=(1, 2), pti=("on",))
    with create_run(run.manifest, tmp_path) as writer:
        for record in run.records:
            writer.append(record)
    views.show(["latest"], root=tmp_path, form=form)
    assert capsys.readouterr().out.startswith(begins)
