# SPDX-License-Identifier: GPL-2.0-only
"""Trials in QEMU: one boot of the payload's kernel for each."""

from dataclasses import dataclass
from pathlib import Path

from harness.guest import console
from harness.guest.agent.wire import MEASURING
from harness.image import guest_layers as image
from harness.itlb.plugin import model_options, plugin_option
from harness.model.specs import TrialSpec
from harness.targets import trial_files
from harness.targets.qemu.argv import VmRequest
from harness.targets.qemu.host_counting import HostCounting
from harness.targets.qemu.session import boot
from harness.targets.root_layers import layers
from harness.targets.target import Ended, Model, Payload
from harness.targets.watched import channel_watcher


@dataclass(frozen=True, kw_only=True)
class QemuTarget:
    """Boots the trial in QEMU, from an initramfs."""

    def run(self, payload: Payload) -> Ended:
        """Boot, wait for the end, and read what the guest and the model wrote.

        Raises PrerequisiteError without QEMU, OSError for a full disk.
        """
        work = payload.work
        request = vm_request(payload)
        image.join(layers(payload), request.initrd)
        counting = HostCounting(
            payload.host_events, payload.spec.smp, work / trial_files.HOST_COUNTS
        )

        def progress(text: str) -> None:
            if text == MEASURING:
                counting.opens()
            payload.on_progress(text)

        result = boot(
            request,
            timeout_s=payload.timeout_s,
            on_console=console.Watcher(),
            on_channel=channel_watcher(progress),
            should_stop=payload.should_stop,
            beside=counting.of,
        )
        trace = work / trial_files.TRACE
        return Ended(
            console=_read(request.console),
            channel=_read(request.channel),
            report=_read(work / trial_files.REPORT) if payload.model else None,
            trace=trace if trace.is_file() and trace.stat().st_size else None,
            host_counts=_read(counting.output) if payload.host_events else None,
            opened_s=counting.opened_s,
            returncode=result.returncode,
            stopped=result.stopped,
            stderr=result.stderr,
            seconds=result.seconds,
        )


def vm_request(payload: Payload) -> VmRequest:
    """The boot of a payload."""
    spec, work = payload.spec, payload.work
    return VmRequest(
        kernel=payload.kernel,
        initrd=work / "initrd",
        mode=spec.mode,
        smp=spec.smp,
        memory_mib=spec.memory_mib,
        seed=spec.seed,
        pti=spec.pti,
        console=work / trial_files.CONSOLE,
        channel=work / trial_files.CHANNEL,
        plugin=_plugin(spec, payload.model, work) if payload.model else None,
        append=payload.append,
        numa_nodes=spec.numa_nodes,
        kaslr=spec.kaslr,
    )


def _plugin(spec: TrialSpec, model: Model, work: Path) -> str:
    return plugin_option(
        model.plugin,
        work / trial_files.REPORT,
        model.profile,
        model_options(spec),
        trace=work / trial_files.TRACE if model.trace else None,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
