# SPDX-License-Identifier: GPL-2.0-only
"""The model's page tables and counted calls against what real kernels say themselves.

A kernel's own dump of its page tables must agree with the model's at each edge, or the
trial fails; and calls that the model counts must be what the kernel counts in vmstat, in
each phase, to the last one.
"""

from collections.abc import Mapping

import pytest

from harness.model.reading import Reading, Source, Status
from harness.model.records import TrialRecord, TrialStatus
from harness.pipeline import Progress, RunRequest, run
from harness.store import load_run

pytestmark = pytest.mark.vm

VARIANTS = ("upstream", "bpf_prog_pack", "execmem")
TRIALS = [(variant, pti) for variant in VARIANTS for pti in ("on", "off")]
EDGES = ("baseline", "open", "close", "end")
PHASES = ("load", "window", "unload", "trial")

Records = Mapping[tuple[str, str], TrialRecord]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """A short trial of every variant, isolated and not."""
    request = RunRequest(
        suite="smoke",
        kernels=",".join(VARIANTS),
        settings={"pti": ("on", "off")},
        params={"instances": 2, "window_s": 0.1},
        out=tmp_path_factory.mktemp("results"),
        jobs=1,
    )
    found = load_run(run(request, Progress()).path).records
    assert {(r.spec.variant, r.spec.pti) for r in found} == set(TRIALS)
    return {(r.spec.variant, r.spec.pti): r for r in found}


@pytest.fixture(params=TRIALS, ids=["-".join(t) for t in TRIALS])
def record(request: pytest.FixtureRequest, records: Records) -> TrialRecord:
    """One of them, which has ended well: both ways to read page tables agreed."""
    found = records[request.param]
    assert found.status is TrialStatus.OK, found.failure
    return found


def one(record: TrialRecord, name: str, source: Source, **labels: str) -> Reading:
    (found,) = (
        r
        for r in record.readings
        if r.name == name and r.source is source and r.labels.items() >= labels.items()
    )
    return found


def value(record: TrialRecord, name: str, source: Source, **labels: str) -> float:
    found = one(record, name, source, **labels)
    assert found.value is not None, found.reason
    return found.value


def calls(record: TrialRecord, function: str, phase: str) -> float:
    return value(record, "kernel.calls", Source.MODEL, function=function, phase=phase)


def test_both_ways_to_read_page_tables_agree_at_every_edge(record: TrialRecord) -> None:
    for edge in EDGES:
        # 2 GiB in 2 MB entries, and what was split of them, are the least there is.
        assert value(record, "page_tables.compared", Source.MODEL, at=edge) > 2000
    # At the end the kernel's workers may still be freeing what the workload has unloaded.
    changed = [note for note in record.notes if note.startswith("page tables at ")]
    assert all(note.startswith("page tables at end: the guest changed") for note in changed)
    assert len(changed) <= 1


FREEING_KIB = 64


def test_the_direct_map_is_all_of_it_and_nothing_executable(record: TrialRecord) -> None:
    for edge in EDGES:
        sizes = {"4k": 4, "2m": 2048, "1g": 1 << 20}
        mapped = sum(
            kib * value(record, f"direct_map.pages_{size}", Source.MODEL, at=edge)
            for size, kib in sizes.items()
        )
        own = sum(value(record, f"direct_map.{size}", Source.KERNEL, at=edge) for size in sizes)
        # A page of text that is being freed has no entry until its flush is done, and the kernel
        # goes on counting it (set_direct_map_invalid_noflush): at the end, when the workload has
        # unloaded all, its workers may be at it.
        assert mapped <= own <= mapped + (FREEING_KIB if edge == "end" else 0)
        assert value(record, "direct_map.executable", Source.MODEL, at=edge) == 0


def test_calls_are_what_the_kernel_counts_itself(record: TrialRecord) -> None:
    """As arch/x86/mm/tlb.c of Linux 6.1 has it. A flush that is received is one that
    flush_tlb_func does for another CPU, which the TLB interrupts count too, or a
    do_flush_tlb_all; flush_tlb_func is called for the own CPU as well."""
    for phase in PHASES:
        sent = value(record, "tlb.remote_flush", Source.KERNEL, phase=phase)
        received = value(record, "tlb.remote_flush_received", Source.KERNEL, phase=phase)
        others = value(record, "tlb.shootdown_ipi", Source.KERNEL, phase=phase)
        multi, everywhere, done, func = (
            calls(record, function, phase)
            for function in (
                "native_flush_tlb_multi",
                "flush_tlb_all",
                "do_flush_tlb_all",
                "flush_tlb_func",
            )
        )
        assert multi + everywhere == sent
        assert others + done == received
        assert func >= others
        # Every flush of everything is done on both CPUs, those of kernel ranges too large to
        # be flushed page by page as well.
        assert done >= 2 * everywhere
        assert value(record, "tlb.remote_flush", Source.MODEL, phase=phase) == sent
        assert value(record, "tlb.remote_flush_received", Source.MODEL, phase=phase) == received
    assert calls(record, "flush_tlb_func", "trial") > 0


def test_splits_are_what_the_kernel_counts_itself(record: TrialRecord) -> None:
    for phase in PHASES:
        split = one(
            record, "kernel.calls", Source.MODEL, function="__split_large_page", phase=phase
        )
        if split.value is None:
            # gcc 12 inlines it: unknown, and not 0.
            assert split.status is Status.NOT_SUPPORTED
            assert "inlined" in split.reason
            continue
        own = sum(
            value(record, f"direct_map.splits_{size}", Source.KERNEL, phase=phase)
            for size in ("2m", "1g")
        )
        assert split.value == own


def test_each_allocator_is_asked_for_each_program(records: Records) -> None:
    """Its own entry points are called, in equal number, and those of the others are not."""
    for (variant, _), record in records.items():
        loaded = calls(record, "bpf_prog_select_runtime", "load")
        assert loaded >= value(record, "bpf.text.programs", Source.KERNEL, at="open") > 0
        packs = calls(record, "bpf_jit_binary_pack_alloc", "load")
        alone = calls(record, "bpf_jit_binary_alloc", "load")
        if variant == "upstream":
            assert alone >= loaded
            assert calls(record, "set_memory_ro", "load") >= loaded
        elif variant == "bpf_prog_pack":
            assert (packs >= loaded, alone) == (True, 0)
            assert calls(record, "text_poke_copy", "load") >= loaded
        else:
            assert calls(record, "execmem_alloc", "load") >= loaded
            assert alone == 0
            assert calls(record, "execmem_free", "trial") <= calls(record, "execmem_alloc", "trial")
