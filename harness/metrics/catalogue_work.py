# SPDX-License-Identifier: GPL-2.0-only
"""The work that was done and the time it took. Data only."""

from harness.metrics.entries import fact
from harness.metrics.metric import Metric
from harness.metrics.readers import (
    Clock,
    Counter,
    EachFunction,
    Emitted,
    Operations,
    PerfEvent,
    WindowSum,
)
from harness.model.reading import Source
from harness.model.reading_spec import Kind, Section

WORK: tuple[Metric, ...] = (
    fact(
        "cycle.seconds",
        "length of a cycle's window",
        "s",
        Section.WORK,
        "the guest's own (virtual) time",
        Clock(source=Source.KERNEL),
        detail=True,
    ),
    fact(
        "bench.programs_loaded",
        "programs of each bench instance",
        "program",
        Section.WORK,
        "programs of `bench`'s skeleton that each instance holds on this kernel, as the kernel "
        "counts them; a note names those that it cannot load",
        Emitted(module="benches"),
        detail=True,
    ),
    fact(
        "bench.programs",
        "programs in bench's skeleton",
        "program",
        Section.WORK,
        "programs of `bench`'s skeleton, of which one is attached",
        Emitted(module="benches"),
        detail=True,
    ),
    fact(
        "ops",
        "operations",
        "operation",
        Section.WORK,
        "the workload's operations in the window, counted exactly",
        Operations(),
        kind=Kind.COUNT,
        better="higher",
    ),
    fact(
        "insn.kernel",
        "kernel instructions",
        "instruction",
        Section.WORK,
        "instructions of the blocks entered in the kernel (a block left early counts whole)",
        WindowSum(count="insns_kernel"),
        kind=Kind.COUNT,
    ),
    fact(
        "insn.user",
        "user instructions",
        "instruction",
        Section.WORK,
        "the same, in user mode",
        WindowSum(count="insns_user"),
        kind=Kind.COUNT,
    ),
    fact(
        "kernel.calls",
        "calls",
        "call",
        Section.WORK,
        "calls of a kernel's `function` by `phase`, counted exactly by their first instruction; a "
        "function that the kernel has not, or whose compiler inlined it, is unknown",
        EachFunction(),
        kind=Kind.COUNT,
        detail=True,
    ),
    fact(
        "context_switches",
        "context switches",
        "event",
        Section.WORK,
        "ctxt of /proc/stat, over the whole guest; of source perf, where it runs, perf's own count "
        "of the same: says that perf works where no PMU does",
        Counter(file="proc/stat", key="ctxt"),
        PerfEvent(),
        kind=Kind.COUNT,
    ),
    fact(
        "window.seconds",
        "length of the window",
        "s",
        Section.WORK,
        "the guest's own (virtual) time",
        Clock(source=Source.KERNEL),
    ),
    fact(
        "trial.wall_seconds",
        "wall time of the trial",
        "s",
        Section.WORK,
        "on the host, boot included; says nothing about the kernels in exact mode",
        Clock(source=Source.HOST),
        detail=True,
    ),
)
