# SPDX-License-Identifier: GPL-2.0-only
"""What a plan needs, made ready for as long as its trials run."""

from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import UserError
from harness.model.trial_settings import Counters, Mode
from harness.pipeline import fit, planning
from harness.pipeline.frozen import freeze
from harness.pipeline.machine import Machine
from harness.pipeline.planning import Plan, RunRequest
from harness.pipeline.prepare import Prepared, names
from harness.pipeline.progress import Progress
from harness.pipeline.resuming import SavedRun
from harness.scratch import scratch
from harness.store import folder_errors


@contextmanager
def ready(
    request: RunRequest,
    planned: Plan,
    saved: SavedRun | None,
    progress: Progress,
    machine: Machine,
) -> Iterator[Prepared]:
    """Kernels, guest image, model, and copies of what could be edited meanwhile. ``saved``: the
    run that ``planned`` goes on with. Raises the errors of the stages."""
    auto = planned.asked is Counters.AUTO and planned.choice.mode is not Mode.LOCAL
    model = auto or planned.choice.counters.by_model
    with scratch() as folder:
        with folder_errors(folder):
            frozen = freeze(planned.workloads, planned.suite.shared.profile, folder)
        kernels = planning.kernel_text(request, planned.suite)
        if request.baseline is not None:
            _check_baseline(request.baseline, names(kernels, progress))
        isolation = dict.fromkeys(one.pti for one in planned.suite.settings)
        check = fit.checker((spec for spec, _ in planned.workloads), isolation)
        source = saved.kernel_source if saved else None
        yield machine.prepare(kernels, frozen, progress, model=model, check=check, source=source)


def _check_baseline(asked: str, kernels: tuple[str, ...]) -> None:
    if asked not in kernels:
        raise UserError(
            f"--baseline {asked!r} is not a kernel of this run",
            f"give one of: {', '.join(kernels)}",
        )
