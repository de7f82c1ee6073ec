# SPDX-License-Identifier: GPL-2.0-only
"""Which counters and which mode a run uses, and why."""

from dataclasses import dataclass

from harness.doctor import HARDWARE, Use
from harness.errors import PrerequisiteError, UserError
from harness.model.trial_settings import Counters, Mode
from harness.targets.qemu.accel import Accelerator

HARDWARE_OF_HOST = frozenset({Use.KVM, Use.HOST})


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was chosen and why; both texts go into the manifest."""

    counters: Counters
    mode: Mode
    reason: str
    detail: str = ""  # what the probe's QEMU wrote last, where KVM does not run


def choose(asked: Counters, mode: Mode | None, suite_mode: Mode, kvm: Accelerator | None) -> Choice:
    """Settle ``asked`` (may be auto) and ``mode`` (None: not asked for).

    ``kvm`` is the machine's verdict on ``uses``; None when nothing depends on it. ``auto`` is
    perf only where KVM runs a guest and there is a PMU, and then the guest's own check decides
    (see ``pmu``). ``perf`` is KVM unless another mode is asked for: an emulated guest has
    software events alone.
    Raises UserError for a combination that cannot work, PrerequisiteError for KVM that
    was asked for and does not run.
    """
    if mode is Mode.KVM:
        if kvm is None or not kvm.works:
            why = kvm.reason if kvm else "not probed"
            raise PrerequisiteError(f"--mode kvm: {why}", "use --mode exact")
        if asked.by_model:
            raise UserError(
                f"--counters {asked} with --mode kvm",
                "the model needs TCG: use --mode exact or fast",
            )
        counters = Counters.PERF if asked is Counters.AUTO else asked
        return Choice(counters=counters, mode=Mode.KVM, reason=kvm.reason)
    if asked is Counters.PERF and mode is None:
        if kvm is None or not kvm.works:
            raise PrerequisiteError(
                f"--counters perf: {kvm.reason if kvm else 'not probed'}",
                "use --counters model; `execmem-bench doctor --counters perf` has the whole of it",
            )
        return Choice(counters=asked, mode=Mode.KVM, reason=kvm.reason)
    if asked is Counters.HOST:
        if mode is not None:
            raise UserError(
                f"--counters host with --mode {mode}: only KVM executes the guest on the CPU",
                "leave --mode out",
            )
        if kvm is None or not kvm.works:
            raise PrerequisiteError(
                f"--counters host: {kvm.reason if kvm else 'not probed'}",
                "use --counters model; `execmem-bench doctor --counters host` has the whole of it",
            )
        return Choice(counters=asked, mode=Mode.KVM, reason=f"perf on the host: {kvm.reason}")
    settled = mode or suite_mode
    if asked is not Counters.AUTO:
        return Choice(counters=asked, mode=settled, reason=f"{asked} was asked for")
    if mode is None and kvm is not None and kvm.works:
        return Choice(counters=Counters.PERF, mode=Mode.KVM, reason=kvm.reason)
    why = f"--mode {mode} has no PMU" if mode else (kvm.reason if kvm else "KVM was not probed")
    return Choice(
        counters=Counters.MODEL,
        mode=settled,
        reason=f"the model, because {why}",
        detail=kvm.detail if kvm else "",
    )


def uses(asked: Counters, mode: Mode | None) -> frozenset[Use]:
    """What ``choose`` needs to know whether the machine can; nothing where it does not matter.

    KVM that was asked for runs without a PMU too: its events are then not supported.
    """
    if mode is Mode.KVM:
        return frozenset({Use.KVM})
    if asked is Counters.HOST:
        return HARDWARE_OF_HOST if mode is None else frozenset()
    counting = asked in (Counters.AUTO, Counters.PERF)
    return HARDWARE if mode is None and counting else frozenset()
