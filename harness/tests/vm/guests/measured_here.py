# SPDX-License-Identifier: GPL-2.0-only
"""On a machine that is measured without a guest: KERNEL=local, and what it leaves behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import cache
from harness.doctor import Facts, HostFacts
from harness.doctor.pmu import DEVICES
from harness.errors import BenchError
from harness.image.guest_layers import Layer
from harness.kernel import Bench, Kernel, running
from harness.kernel.artefacts import RunningKernel
from harness.pipeline import Progress, RunRequest, run, show
from harness.pipeline.frozen import Frozen
from harness.pipeline.machine import Machine
from harness.pipeline.prepare import Prepared
from harness.targets.local.local_target import STATE, settings

BENCH, BASE, OUT = Path("/given/bench"), Path("/given/base.cpio"), Path("/results")
REQUEST = RunRequest(
    suite="smoke",
    kernels="local",
    params={"instances": 4, "window_s": 1.0},
    out=OUT / "runs",
)


def prepared(
    kernels: str | None,
    frozen: Frozen,
    progress: Progress,
    *,
    check: Callable[[Kernel], None],
    **_: Any,
) -> Prepared:
    """What `make setup` and a build would have made ready; the kernel is looked at for real."""
    kernel = running.adopt(RunningKernel(name="local"))
    check(kernel)
    return Prepared(
        frozen=frozen,
        kernels={kernel.name: kernel},
        bench=Bench(path=BENCH, sha256=cache.sha256_file(BENCH), cached=True),
        selftests=None,
        layers={"base": Layer(name="base", path=BASE, sha256=cache.sha256_file(BASE))},
        plugin=None,
        programs={},
    )


class WithPmu(HostFacts):
    """A stand-in: this machine, said to have a PMU, so that perf is run on it."""

    def names(self, path: str) -> tuple[str, ...]:
        return (*super().names(path), *(("cpu",) if path == DEVICES else ()))


def measured(facts: Facts | None = None, **settings: Any) -> str:
    """The run's folder, or why there is none."""
    request = replace(REQUEST, settings=settings)
    machine = replace(Machine(), prepare=prepared, facts=facts or HostFacts())
    try:
        return str(run(request, Progress(), machine).path)
    except BenchError as error:
        return f"{error.exit_code} {error}"


def state() -> str:
    """What a trial may change."""
    lines = [f"{path} {Path(path).read_text().strip()}" for path in settings()]
    links = sorted(os.listdir("/sys/class/net"))  # noqa: PTH208
    mounts = Path("/proc/mounts").read_text()
    maps = Path("/proc/kallsyms").read_text().count("bpf_prog_")
    return "\n".join([*lines, f"links {links}", f"programs {maps}", mounts])


def killed_in_the_middle() -> None:
    """A run that gets SIGKILL while its trial runs."""
    child = subprocess.Popen([sys.executable, __file__, "run"])
    while not STATE.exists():
        time.sleep(0.05)
    time.sleep(3)
    child.send_signal(signal.SIGKILL)
    child.wait()


def as_a_user() -> str:
    """What one without root is told."""
    command = ["setpriv", "--reuid=1000", "--clear-groups", sys.executable, __file__, "run"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def main() -> None:
    """Everything, into files of OUT."""
    OUT.mkdir(exist_ok=True)
    (OUT / "before").write_text(state())
    (OUT / "user").write_text(as_a_user())
    (OUT / "pti").write_text(measured(pti="on"))
    (OUT / "model").write_text(measured(counters="model"))
    killed_in_the_middle()
    (OUT / "killed").write_text(state())
    (OUT / "run").write_text(measured())
    (OUT / "after").write_text(state())
    (OUT / "perf").write_text(measured(WithPmu(), counters="perf"))
    with (OUT / "table").open("w") as out, redirect_stdout(out):
        show([(OUT / "run").read_text()])


if __name__ == "__main__":
    print(measured()) if sys.argv[1:] else main()
