# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own test of vmalloc, which module and BPF text come from."""

from agent.kernel_tests import module_log, parse_vmalloc, report
from agent.workload_api import Context, WorkloadFailed


class Workload:
    def setup(self, ctx: Context) -> None:
        for name in ("threads", "loops"):
            if ctx.params[name] < 1:
                raise WorkloadFailed(f"{name}={ctx.params[name]}: 1 or more")

    def warm(self, ctx: Context) -> None:
        """Nothing to warm."""

    def measure(self, ctx: Context) -> None:
        options = [
            f"nr_threads={ctx.params['threads']}",
            f"test_loop_count={ctx.params['loops']}",
            "sequential_test_order=1",
        ]
        # The module refuses to stay, so that it need not be removed.
        self._lines = module_log("test_vmalloc", options, refuses="temporarily unavailable")

    def teardown(self, ctx: Context) -> None:
        ctx.keep("test_vmalloc.txt", "\n".join(self._lines).encode())
        report(ctx, parse_vmalloc(self._lines))
