# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's BPF self-tests that touch JITed text, one after the other."""

from fnmatch import fnmatch

from agent.kernel_tests import Results, merged, report, run_selftest, selftest_names
from agent.workload_api import Context, WorkloadFailed


class Workload:
    def setup(self, ctx: Context) -> None:
        wanted = ctx.params["tests"].split(",")
        self._tests = [t for t in selftest_names() if any(fnmatch(t, w) for w in wanted)]
        if not self._tests:
            raise WorkloadFailed(f"tests={ctx.params['tests']!r}: no test has such a name")

    def warm(self, ctx: Context) -> None:
        """Nothing to warm."""

    def measure(self, ctx: Context) -> None:
        self._results: list[Results] = []
        for number, test in enumerate(self._tests, 1):
            ctx.progress(f"{number} of {len(self._tests)}: {test}")
            self._results.append(run_selftest(test))

    def teardown(self, ctx: Context) -> None:
        report(ctx, merged(self._results))
