# SPDX-License-Identifier: GPL-2.0-only
"""N parallel ``bench trig-kprobe``: N kprobe programs on getpgid(2), N callers of it."""

from agent.benches import Benches, iterations
from agent.workload_api import Context


class Workload:
    def __init__(self) -> None:
        self._benches = Benches()

    def setup(self, ctx: Context) -> None:
        self._benches.start(ctx)
        self._benches.resume(ctx)

    def warm(self, ctx: Context) -> None:
        self._benches.warm(ctx)

    def measure(self, ctx: Context) -> None:
        self._before = [len(iterations(i.text())) for i in self._benches.instances]
        ctx.wait(ctx.params["window_s"])

    def teardown(self, ctx: Context) -> None:
        self._benches.all_alive()
        self._benches.report_programs(ctx)
        ctx.stop_children()
        for instance, running in enumerate(self._benches.instances):
            text = running.text()
            ctx.keep(f"bench-{instance}.txt", text.encode())
            labels = {"instance": str(instance)}
            inside = iterations(text)[self._before[instance] :]
            if inside:
                mean = sum(inside) / len(inside)
                ctx.emit("bench.hits", round(mean, 6), "10^6/s", labels)
            else:
                ctx.emit(
                    "bench.hits",
                    None,
                    "10^6/s",
                    labels,
                    "not_counted",
                    "no interval of bench ended inside the window",
                )
        self._benches.close_fillers()
