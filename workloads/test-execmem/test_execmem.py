# SPDX-License-Identifier: GPL-2.0-only
"""The dynamic text allocator's own test module."""

from agent.kernel_tests import module_log, parse_execmem, report
from agent.workload_api import Context, WorkloadFailed


class Workload:
    def setup(self, ctx: Context) -> None:
        for name in ("threads", "loops"):
            if ctx.params[name] < 1:
                raise WorkloadFailed(f"{name}={ctx.params[name]}: 1 or more")

    def warm(self, ctx: Context) -> None:
        """Nothing to warm."""

    def measure(self, ctx: Context) -> None:
        options = [f"{name}={ctx.params[name]}" for name in ("threads", "loops")]
        self._lines = module_log("test_execmem", [*options, f"seed={ctx.seed}"])

    def teardown(self, ctx: Context) -> None:
        ctx.keep("test_execmem.txt", "\n".join(self._lines).encode())
        report(ctx, parse_execmem(self._lines))
