# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own test of its BPF JIT, every test's verdict kept."""

from agent.kernel_tests import Results, merged, module_log, parse_test_bpf, report
from agent.workload_api import Context, WorkloadFailed

SUITES = ("test_bpf", "test_tail_calls", "test_skb_segment")


class Workload:
    def setup(self, ctx: Context) -> None:
        first, last = ctx.params["first"], ctx.params["last"]
        self._ranges: dict[str, list[str]] = {}
        if (first, last) != (0, -1):
            if not 0 <= first <= last:
                raise WorkloadFailed(f"first={first} last={last}: a range from 0 on")
            self._ranges["test_bpf"] = [f"test_range={first},{last}"]

    def warm(self, ctx: Context) -> None:
        """Nothing to warm: each test runs its own program many times."""

    def measure(self, ctx: Context) -> None:
        self._logs = {}
        for suite in SUITES:
            ctx.progress(suite)
            options = [f"test_suite={suite}", *self._ranges.get(suite, [])]
            self._logs[suite] = module_log("test_bpf", options)

    def teardown(self, ctx: Context) -> None:
        parts: list[Results] = []
        jited = run = 0
        for suite, lines in self._logs.items():
            ctx.keep(f"{suite}.txt", "\n".join(lines).encode())
            results, suite_jited, suite_run = parse_test_bpf(suite, lines)
            parts.append(results)
            jited, run = jited + suite_jited, run + suite_run
        report(ctx, merged(parts))
        ctx.emit("test.jited", jited, "program")
        ctx.emit("test.not_jited", run - jited, "program")
