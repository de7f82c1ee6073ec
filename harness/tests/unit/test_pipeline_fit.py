# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel's configuration says of the workloads that it can run."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.config import definitions
from harness.errors import UserError
from harness.kernel import Kernel, kconfig
from harness.model.records import KernelIdentity, TrialStatus
from harness.model.specs import TrialSpec, VariantSpec, WorkloadSpec
from harness.model.trial_settings import Counters, Mode, Pcid, Pti
from harness.paths import CONFIGS
from harness.pipeline import fit, trial
from harness.pipeline.frozen import Frozen
from harness.pipeline.prepare import Prepared
from harness.targets.recorded import RecordedTarget

WORKLOAD = WorkloadSpec(
    name="w", question="?", module="w.py", needs=("CONFIG_KPROBES", "CONFIG_VETH")
)
OPTIONS = {
    "CONFIG_KPROBES": "y",
    "CONFIG_VETH": "m",
    "CONFIG_PAGE_TABLE_ISOLATION": "y",
    "CONFIG_NET": "y",
    "CONFIG_BPF_EVENTS": "y",
}
KERNEL = Kernel(
    identity=KernelIdentity(name="good", image_sha256=""),
    title="",
    image=Path("/nowhere"),
    options=OPTIONS,
    modules=Path("/nowhere"),
)


def without(option: str) -> Kernel:
    return replace(KERNEL, options={k: v for k, v in OPTIONS.items() if k != option})


def test_a_kernel_that_has_all() -> None:
    assert fit.missing(KERNEL, WORKLOAD, "on") == ()
    assert fit.unfit(KERNEL, WORKLOAD, "on") == ""


def test_nothing_known_is_nothing_missing() -> None:
    assert fit.missing(replace(KERNEL, options=None), WORKLOAD, "on") == ()


def test_a_module_that_is_not_at_hand_is_missing() -> None:
    assert fit.missing(replace(KERNEL, modules=None), WORKLOAD, "off") == ("CONFIG_VETH",)


def test_isolation_under_either_name() -> None:
    bare = without("CONFIG_PAGE_TABLE_ISOLATION")
    assert fit.missing(bare, WORKLOAD, "off") == ()
    (told,) = fit.missing(bare, WORKLOAD, "on")
    assert "CONFIG_PAGE_TABLE_ISOLATION or CONFIG_MITIGATION_PAGE_TABLE_ISOLATION" in told
    newer = {**(bare.options or {}), "CONFIG_MITIGATION_PAGE_TABLE_ISOLATION": "y"}
    assert fit.missing(replace(bare, options=newer), WORKLOAD, "on") == ()


def test_bcc_needs_headers() -> None:
    bcc = replace(WORKLOAD, layers=("bcc",))
    assert "headers" in fit.missing(KERNEL, bcc, "off")[0]
    assert fit.missing(replace(KERNEL, kheaders=Path("/x")), bcc, "off") == ()


def test_the_line_names_the_option_and_what_can_run() -> None:
    told = fit.unfit(without("CONFIG_KPROBES"), WORKLOAD, "off")
    assert told.startswith("kernel good lacks CONFIG_KPROBES, which w with pti=off needs")
    assert "it can run: " in told
    assert "churn" in told
    assert "trig-kprobe" not in told
    assert "\n" not in told


def test_a_kernel_that_can_run_nothing_is_refused_at_once() -> None:
    check = fit.checker([WORKLOAD], ["on", "off"])
    check(KERNEL)
    check(without("CONFIG_PAGE_TABLE_ISOLATION"))  # pti=off is left
    with pytest.raises(UserError, match="lacks CONFIG_KPROBES"):
        check(without("CONFIG_KPROBES"))


def test_such_a_trial_fails_without_a_boot(tmp_path: Path) -> None:
    kernel = without("CONFIG_KPROBES")
    frozen = Frozen(agent=None, profile=tmp_path, workloads={"w": (WORKLOAD, tmp_path)})  # type: ignore[arg-type]
    prepared = Prepared(
        frozen=frozen, kernels={"good": kernel}, bench=None, selftests=None, layers={},
        plugin=None, programs={},
    )  # fmt: skip
    spec = TrialSpec(
        variant="good", workload="w", seed=1, pti=Pti.ON, mode=Mode.EXACT, smp=1,
        counters=Counters.NONE, profile="", pcid=Pcid.TAGGED, memory_mib=1, params={},
    )  # fmt: skip
    record = trial.run_trial(
        spec,
        trial.TrialContext(target=RecordedTarget(folder=tmp_path), prepared=prepared, raw=tmp_path),
    )
    assert record.status is TrialStatus.FAILED
    assert record.failure is not None
    assert record.failure.kind == "kernel"
    assert "CONFIG_KPROBES" in record.failure.message


@pytest.mark.parametrize(
    "variant", [v for v in definitions.variants().values() if not v.by_name_only]
)
def test_the_measured_variants_are_configured_for_every_workload(variant: VariantSpec) -> None:
    """As far as their fragments say; what Kconfig makes of them is checked at the build."""
    layers = [
        kconfig.parse((CONFIGS / "kconfig" / name).read_text().splitlines(), name)
        for name in variant.kconfig
    ]
    kernel = replace(KERNEL, options=kconfig.merge(layers), kheaders=Path("/x"))
    folders = definitions.workload_folders()
    for name in folders:
        spec, _ = definitions.workload(name)
        assert fit.unfit(kernel, spec, "on") == "", name
