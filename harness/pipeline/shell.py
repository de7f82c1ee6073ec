# SPDX-License-Identifier: GPL-2.0-only
"""An interactive guest of a variant."""

from harness import proc
from harness.errors import UserError
from harness.image import guest_layers as image
from harness.model.trial_settings import Mode
from harness.pipeline import prepare
from harness.pipeline.progress import Progress
from harness.scratch import scratch
from harness.targets import trial_files
from harness.targets.qemu import confinement
from harness.targets.qemu.argv import VmRequest, qemu_argv

MEMORY_MIB = 3072


def shell(kernel_text: str | None, pti: str, smp: int, bcc: bool, progress: Progress) -> int:
    """Boot the kernel with a shell on this terminal; returns QEMU's exit status.

    Raises UserError unless one kernel is named.
    """
    stage = prepare.kernels(kernel_text, progress, bench=True)
    if len(stage.kernels) != 1:
        names = ", ".join(kernel.name for kernel in stage.kernels)
        raise UserError(f"a shell runs in one kernel, not in {names}", "name one with --kernel")
    kernel = stage.kernels[0]
    with progress.step("guest image"):
        base = image.base_layers(progress.detail, progress.say)
    with scratch() as work:
        layers = [
            base["base"],
            *([base["bcc"]] if bcc else []),
            image.agent_layer(work / "agent.cpio"),
            image.kernel_layer(
                work / "kernel.cpio",
                modules=kernel.modules,
                headers=kernel.kheaders if bcc else None,
                files={prepare.BENCH_PLACE: stage.bench.path} if stage.bench else {},
            ),
        ]
        image.join(layers, work / "initrd")
        request = VmRequest(
            kernel=kernel.image,
            initrd=work / "initrd",
            mode=Mode.FAST,
            smp=smp,
            memory_mib=MEMORY_MIB,
            seed=1,
            pti=pti,
            console=work / trial_files.CONSOLE,
            channel=work / trial_files.CHANNEL,
            append=(*kernel.identity.boot, "emb.shell"),
            interactive=True,
        )
        streams = {"stdin": None, "stdout": None, "stderr": None}
        argv = qemu_argv(request, confinement.of_machine(work))
        with proc.start(argv, own_group=False, **streams) as qemu, proc.ended_with_us(qemu):
            return qemu.wait() or 0
