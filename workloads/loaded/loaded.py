# SPDX-License-Identifier: GPL-2.0-only
"""A co-runner with a big text: first beside idle BPF programs, then beside busy ones."""

import re
from pathlib import Path

from agent.benches import Benches
from agent.workload_api import Context, WorkloadFailed

TEXT, PAGE = 0x500000000000, 4096  # where corunner.c puts its pages
WALKED = re.compile(r"^rounds (\d+) nanoseconds (\d+)$")
PAGES_LIMIT = 65536
SWEEP = (64, 128, 256, 512, 1024, 2048, 4096)
"""Hot pages of the co-runner in one cycle after the other."""


def rounds_per_second(text: str) -> float:
    """From what the co-runner printed. Raises WorkloadFailed when it is not that."""
    walked = WALKED.match(text.strip())
    if not walked or not int(walked[2]):
        raise WorkloadFailed(f"the co-runner printed {text[:200]!r}")
    return int(walked[1]) * 1e9 / int(walked[2])


def available_mib(meminfo: str) -> int:
    """MemAvailable of /proc/meminfo, in MiB. Raises WorkloadFailed without one."""
    match = re.search(r"^MemAvailable:\s+(\d+) kB$", meminfo, re.MULTILINE)
    if not match:
        raise WorkloadFailed("/proc/meminfo has no MemAvailable")
    return int(match[1]) >> 10


class Workload:
    def __init__(self) -> None:
        self._benches = Benches()

    def setup(self, ctx: Context) -> None:
        params = ctx.params
        if not 1 <= params["hot_pages"] <= PAGES_LIMIT or params["rounds"] < 1:
            raise WorkloadFailed(f"hot_pages is 1 to {PAGES_LIMIT}, rounds 1 or more")
        if params["sweep_calls"] < 0:
            raise WorkloadFailed(f"sweep_calls={params['sweep_calls']}: 0 or more")
        if not 0 <= params["pressure_percent"] <= 90:
            raise WorkloadFailed(f"pressure_percent={params['pressure_percent']}: 0 to 90")
        largest = max(params["hot_pages"], *SWEEP)
        ctx.user_text("corunner", TEXT, TEXT + largest * PAGE)
        self._benches.start(ctx)

    def warm(self, ctx: Context) -> None:
        """The co-runner alone, in a window of its own; then everything at once, with as many
        hot pages as each cycle has."""
        with ctx.window("alone"):
            text = ctx.run(self._walk_argv(ctx))
        self._emit(ctx, text, "alone")
        share = ctx.params["pressure_percent"]
        mib = available_mib(Path("/proc/meminfo").read_text()) * share // 100
        if mib:
            ctx.spawn(["corunner", "press", str(mib)], Path("/tmp/press"))
        self._benches.resume(ctx)
        self._benches.warm(ctx)
        if ctx.params["sweep_calls"]:
            self._sweep(ctx)

    def _sweep(self, ctx: Context) -> None:
        """Equally many calls in each cycle."""
        for number, pages in enumerate(SWEEP):
            argv = [
                "corunner",
                "walk",
                str(pages),
                str(-(-ctx.params["sweep_calls"] // pages)),
                "1",
            ]
            with ctx.cycle(number):
                ctx.run(argv)
            ctx.emit("corunner.hot_pages", pages, "page", {"cycle": str(number)})
            ctx.progress(f"{pages} hot pages")

    def measure(self, ctx: Context) -> None:
        self._text = ctx.run_measured(self._walk_argv(ctx))

    def teardown(self, ctx: Context) -> None:
        self._benches.all_alive()
        self._benches.report_programs(ctx)
        ctx.stop_children()
        self._emit(ctx, self._text, "measured")
        self._benches.close_fillers()

    def _emit(self, ctx: Context, text: str, window: str) -> None:
        calls = round(rounds_per_second(text) * ctx.params["hot_pages"])
        ctx.emit("corunner.rate", calls, "call/s", {"window": window})

    def _walk_argv(self, ctx: Context) -> list[str]:
        return ["corunner", "walk", str(ctx.params["hot_pages"]), str(ctx.params["rounds"]), "1"]
