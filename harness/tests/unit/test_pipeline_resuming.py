# SPDX-License-Identifier: GPL-2.0-only
"""A run is resumed from its manifest alone; what contradicts it is refused by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.config import definitions, matrix
from harness.errors import DataError, UserError
from harness.kernel import Kernel
from harness.model.records import KernelIdentity, Manifest, ResumeInputs
from harness.model.specs import TrialSpec
from harness.model.trial_settings import SUITE_SETTINGS, Counters, Mode
from harness.pipeline import resuming
from harness.pipeline.machine import Machine
from harness.pipeline.planning import RunRequest, as_saved, given_options, plan_of
from harness.store import create_run
from harness.tests.unit import synthetic_runs as made

NAMES = ("upstream", "bpf_prog_pack", "execmem")


def trials(suite: str = "quick", kernels: tuple[str, ...] = NAMES) -> tuple[TrialSpec, ...]:
    spec = definitions.suite(suite)
    workloads = [definitions.workload(name)[0] for name in spec.workloads]
    return matrix.trials(spec, kernels, workloads, Counters.MODEL, {"window_s": 0.5})


def manifest(
    specs: tuple[TrialSpec, ...] | None = None, inputs: ResumeInputs | None = None
) -> Manifest:
    specs = specs or trials()
    names = dict.fromkeys(spec.variant for spec in specs)
    ordered = [name for name in NAMES if name in names] or list(names)
    base = made.manifest(specs)
    by_name = {kernel.name: kernel for kernel in base.kernels}
    return replace(base, kernels=tuple(by_name[name] for name in ordered), resume=inputs)


def by_variant(**changes: Any) -> ResumeInputs:
    return replace(ResumeInputs(kernels={n: n for n in NAMES}, workloads={}), **changes)


def saved(root: Path, one: Manifest, **options: Any) -> resuming.SavedRun:
    with create_run(one, root) as run:
        name = run.path.name
    chosen = {key: options.pop(key) for key in SUITE_SETTINGS if key in options}
    return resuming.saved_run(name, root, given_options(RunRequest(settings=chosen, **options)))


@pytest.mark.parametrize("suite", ["quick", "smoke", "reference"])
def test_no_other_option_is_needed(tmp_path: Path, suite: str) -> None:
    """Suite, kernels and trials are those of the manifest."""
    one = manifest(trials(suite), by_variant())
    again = saved(tmp_path, replace(one, suite=suite))
    plan = plan_of(again, Machine())
    request = as_saved(RunRequest(resume="latest", out=tmp_path), again)
    assert request.kernels == "upstream,bpf_prog_pack,execmem"
    specs = [spec for spec, _ in plan.workloads]
    assert plan.suite.name == suite
    assert plan.choice.reason == one.counters_reason
    assert (
        matrix.trials(plan.suite, NAMES, specs, plan.choice.counters, request.params) == one.trials
    )


def test_the_run_is_found_by_its_start_a_path_or_latest(tmp_path: Path) -> None:
    for name in ("20260101T000000Z-quick-1", "20260102T000000Z-quick-2"):
        create_run(replace(manifest(inputs=by_variant()), run=name), tmp_path).close()
    for given, ending in (
        ("latest", "-2"),
        ("20260101", "-1"),
        (str(tmp_path / "20260101T000000Z-quick-1"), "-1"),
    ):
        assert resuming.saved_run(given, tmp_path, {}).path.name.endswith(ending)
    with pytest.raises(UserError, match="no run 'nosuch'"):
        resuming.saved_run("nosuch", tmp_path, {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"suite": "smoke"}, "--suite smoke: run .* was made with quick"),
        ({"seeds": (1, 9)}, "--seeds 1,9: run .* was made with 1,2"),
        ({"pti": ("off",)}, "--pti off: run .* was made with on,off"),
        ({"smp": 4}, "--smp 4: run .* was made with [0-9]"),
        ({"mode": "fast"}, "--mode fast: run .* was made with exact"),
        ({"counters": "perf"}, "--counters perf: run .* was made with model"),
        ({"profile": "zen2"}, "--profile zen2: run .* was made with skylake-sp"),
        ({"pcid": "flush"}, "--pcid flush: run .* was made with tagged"),
        ({"host_page": "4k"}, "--host-page 4k: run .* was made with 2m"),
        ({"data_side": True}, "--data-side on: run .* was made with off"),
        ({"kaslr": True}, "--kaslr on: run .* was made with off"),
        ({"workload": "churn"}, "--workload churn: run .* was made with trig-kprobe"),
        ({"params": {"window_s": 9.0}}, "--param window_s=9.0: run .* was made with 0.5"),
        ({"params": {"nosuch": 1}}, "--param nosuch=1: run .* was made with none"),
        ({"baseline": "execmem"}, "--baseline execmem: run .* was made with upstream"),
        ({"trace": True}, "--trace on: run .* was made with off"),
        ({"kernels": "upstream,text-4k"}, "--kernel upstream,text-4k: run .* was made with"),
        ({"kernels": "upstream=execmem"}, "--kernel upstream=execmem: run .* was made with"),
    ],
)
def test_an_option_that_contradicts_is_refused(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        saved(tmp_path, manifest(inputs=by_variant()), **options)


def test_options_that_agree_are_taken(tmp_path: Path) -> None:
    one = manifest(inputs=by_variant(trace=True))
    first = one.trials[0]
    again = saved(
        tmp_path,
        one,
        suite="quick",
        pti=("on", "off"),
        mode=Mode.EXACT,
        smp=first.smp,
        counters="auto",
        data_side=False,
        workload="trig-kprobe",
        params={"window_s": 0.5},
        baseline="upstream",
        kernels="execmem,upstream",
        trace=True,
        jobs=7,
    )
    assert again.trace


def kernel(name: str, *, variant: bool) -> Kernel:
    spec = definitions.variants()["execmem"] if variant else None
    return Kernel(
        identity=KernelIdentity(name=name, image_sha256="x"),
        title="",
        image=Path("bzImage"),
        system_map=None,
        config=None,
        options=None,
        kheaders=None,
        modules=None,
        btf=None,
        variant=spec,
        cached=True,
        seconds=0.0,
    )


def test_kernels_and_workloads_of_the_users_own_are_kept_by_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found again from another folder."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("KERNEL_SRC", "linux-6.1,../linux-7.3")
    mine, shipped = definitions.workload("trig-kprobe"), definitions.workload("churn")
    kept = resuming.resume_inputs(
        "good=../tree,mine=execmem,a.deb",
        [kernel("good", variant=False), kernel("mine", variant=True), kernel("a", variant=False)],
        [(replace(mine[0], name="fork-storm"), tmp_path / "fork-storm"), shipped],
        trace=False,
    )
    assert kept.kernels == {
        "good": f"{tmp_path}/tree",
        "mine": "execmem",
        "a": f"{tmp_path}/here/a.deb",
    }
    assert kept.workloads == {"fork-storm": f"{tmp_path}/fork-storm"}
    assert kept.kernel_source == f"{tmp_path}/here/linux-6.1,{tmp_path}/linux-7.3"

    monkeypatch.delenv("KERNEL_SRC")
    monkeypatch.chdir("/")
    specs = trials(kernels=("good", "mine", "a"))
    one = replace(manifest(specs, replace(kept, workloads={})), baseline="good")
    again = saved(tmp_path, replace(one, kernels=tuple(k for k in one.kernels)))
    assert set(again.kernels.split(",")) == {
        f"good={tmp_path}/tree",
        "mine=execmem",
        f"a={tmp_path}/here/a.deb",
    }
    assert again.kernel_source == kept.kernel_source
    assert saved(tmp_path, one, kernels=f"good={tmp_path}/tree").kernels == again.kernels
    with pytest.raises(UserError, match="--kernel bad="):
        saved(tmp_path, one, kernels=f"bad={tmp_path}/tree")


def test_another_kernel_source_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNEL_SRC", "/other")
    with pytest.raises(UserError, match=r"KERNEL_SRC=/other: run .* was made with none"):
        saved(tmp_path, manifest(inputs=by_variant()))
    monkeypatch.setenv("KERNEL_SRC", "/linux/")
    assert saved(tmp_path, manifest(inputs=by_variant(kernel_source="/linux"))).kernel_source


def test_a_manifest_without_places_will_do_for_variants(tmp_path: Path) -> None:
    again = saved(tmp_path, manifest())
    assert again.kernels == "upstream,bpf_prog_pack,execmem"
    assert not again.trace
    assert saved(tmp_path, manifest(), trace=True).trace


def test_a_manifest_without_places_needs_them_for_other_kernels(tmp_path: Path) -> None:
    one = manifest(trials(kernels=("good", "bad")))
    with pytest.raises(UserError, match="does not say where kernel bad is: add --kernel"):
        saved(tmp_path, one)
    assert saved(tmp_path, one, kernels="good=/a,bad=/b").kernels == "good=/a,bad=/b"


def test_a_variant_that_another_built_is_no_variant(tmp_path: Path) -> None:
    one = manifest()
    foreign = (replace(one.kernels[0], base_sha256=""), *one.kernels[1:])
    with pytest.raises(UserError, match="does not say where kernel upstream is"):
        saved(tmp_path, replace(one, kernels=foreign))


def test_a_manifest_without_places_needs_them_for_other_workloads(tmp_path: Path) -> None:
    specs = tuple(replace(spec, workload="fork-storm") for spec in trials())
    folder = tmp_path / "fork-storm"
    folder.mkdir()
    (folder / "x.py").touch()
    (folder / "workload.toml").write_text(
        "name = 'fork-storm'\nquestion = '?'\nmodule = 'x.py'\nparams = { window_s = 0.1 }\n"
    )
    with pytest.raises(UserError, match="does not say where workload fork-storm is: add --workl"):
        saved(tmp_path, manifest(specs))
    again = saved(tmp_path, manifest(specs), workload=str(folder))
    assert [path for _, path in again.workloads] == [folder]
    places = by_variant(workloads={"fork-storm": str(folder)})
    assert saved(tmp_path, manifest(specs, places)).workloads == again.workloads


def test_a_run_without_trials_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no trials"):
        saved(tmp_path, replace(manifest(), trials=()))


@pytest.mark.parametrize("key", resuming.RESUME_KEYS)
def test_changed_provenance_is_refused(key: str) -> None:
    one = manifest()
    resuming.check_provenance(one, replace(one, resume=by_variant(), created="later"))
    value = getattr(one, key)
    other: Any = value[1:] if isinstance(value, tuple) else "other"
    if isinstance(value, dict):
        other = {**value, "trig-kprobe": "other"}
    changed = replace(one, **{key: other})
    with pytest.raises(UserError, match=f"run {one.run} cannot be resumed: ") as caught:
        resuming.check_provenance(one, changed)
    assert caught.value.remedy.endswith("or start a new run")


def test_a_refusal_names_what_differs_and_the_program_that_can_resume_it() -> None:
    one = replace(manifest(), program_commit="f23358a", image_sha256={"agent": "aaa", "bcc": "1"})
    now = replace(one, program_commit="28c9b19", image_sha256={"agent": "bbb", "bcc": "1"})
    with pytest.raises(UserError) as caught:
        resuming.check_provenance(one, now)
    assert caught.value.message == (
        f"run {one.run} cannot be resumed: guest image (agent): aaa then, bbb now"
    )
    assert caught.value.remedy == (
        "resume it with the program that began it (git checkout f23358a), or start a new run"
    )


def test_the_plugin_of_a_run_that_does_not_use_it_is_no_matter() -> None:
    perf = manifest(tuple(replace(spec, counters=Counters.PERF) for spec in trials()))
    resuming.check_provenance(perf, replace(perf, plugin_sha256=""))
