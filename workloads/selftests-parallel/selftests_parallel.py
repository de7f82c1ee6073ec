# SPDX-License-Identifier: GPL-2.0-only
"""BPF self-tests side by side, again and again: text of all sizes comes and goes."""

import time

from agent.kernel_tests import merged, report, run_selftest, selftest_names, side_by_side
from agent.workload_api import Context, WorkloadFailed

APART = ("unshare", "--net", "--mount")
"""Each test in name spaces of its own: several name their devices and mounts alike."""


class Workload:
    def setup(self, ctx: Context) -> None:
        for name in ("workers", "rounds"):
            if ctx.params[name] < 1:
                raise WorkloadFailed(f"{name}={ctx.params[name]}: 1 or more")
        known = selftest_names()
        self._tests = ctx.params["tests"].split(",")
        if unknown := sorted(set(self._tests) - set(known)):
            raise WorkloadFailed(f"tests: no {', '.join(unknown)}; known: {', '.join(known)}")

    def warm(self, ctx: Context) -> None:
        """Nothing to warm."""

    def measure(self, ctx: Context) -> None:
        order: list[str] = []
        for _ in range(ctx.params["rounds"]):
            order += ctx.rng.sample(self._tests, len(self._tests))
        began = time.monotonic()
        self._done = side_by_side(
            order, ctx.params["workers"], lambda test: run_selftest(test, APART)
        )
        self._seconds = time.monotonic() - began

    def teardown(self, ctx: Context) -> None:
        report(ctx, merged(results for _, results in self._done))
        ctx.emit("test.rate", round(len(self._done) / self._seconds, 6), "test/s")
