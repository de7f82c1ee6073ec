# SPDX-License-Identifier: GPL-2.0-only
"""Whole trials, captured: everything that they gave, as readings."""

import json
from dataclasses import replace
from typing import Any

import pytest

from harness.counters import readings
from harness.counters.facts.files import EDGES, Files
from harness.counters.facts.layout import layout, of_text
from harness.counters.readings import RawTrial
from harness.errors import TrialError
from harness.guest.agent import wire
from harness.model.reading import Reading, Source, Status
from harness.model.trial_settings import Counters
from harness.tests.unit.captured_trials import MIXED, SNAPSHOTS, VARIANTS, changed, spec, trial


def found(name: str) -> dict[tuple[str, str], Reading]:
    """Readings by name and the label that tells them apart."""
    made = readings.of_trial(spec(), trial(name)).readings
    keys = ("origin", "at", "phase", "instance")
    return {(r.name, next((r.labels[k] for k in keys if k in r.labels), "")): r for r in made}


@pytest.mark.parametrize("variant", (*VARIANTS, MIXED))
def test_every_reading_once_and_believable(variant: str) -> None:
    made = readings.of_trial(spec(), trial(variant))
    keys = [r.key for r in made.readings]
    assert len(set(keys)) == len(keys)
    assert made.windows == {"1": "measured"}
    unknown = [r for r in made.readings if r.status is not Status.OK]
    others = {r.name: r for r in unknown if not r.name.startswith("execmem.")}
    assert set(others) == {"bpf.text.held_per_jited", "context_switches"}
    assert others["bpf.text.held_per_jited"].labels["at"] == "end", "after unloading none is jited"
    assert "proc/stat was not sampled" in others["context_switches"].reason, "an older guest"


def test_after_unloading_no_program_is_left() -> None:
    for variant in VARIANTS:
        built = found(variant)
        assert built["bpf.text.programs", "end"].value == 0
        assert built["wx.mappings", "end"].value == 0


def test_a_page_for_each_program_against_packs() -> None:
    upstream, packs = found("upstream"), found("bpf_prog_pack")
    for built in (upstream, packs):
        assert built["bpf.text.programs", "close"].value == 56
        assert built["bpf.text.not_executable", "close"].value == 0
        assert built["wx.mappings", "close"].value == 0
    assert upstream["bpf.text.pages_4k", "close"].value == 56
    assert packs["bpf.text.pages_4k", "close"].value == 2
    # The pack's other pages are mapped all the same: 512 of them, and ftrace's one.
    assert packs["module_area.text.pages_4k", "close"].value == 513
    assert upstream["bpf.text.mapped_bytes", "close"].value == 56 * 4096
    assert upstream["kernel.text.pages_2m", "close"].value == 5


def test_origins_of_both_builds() -> None:
    upstream, packs = found("upstream"), found("bpf_prog_pack")
    walks = "itlb.walk_completed_4k"
    assert (upstream[walks, "bpf_prog"].value, packs[walks, "bpf_prog"].value) == (513, 124)
    for built in (upstream, packs):
        assert built["itlb.walks", "other"].value == 0
        assert built["itlb.walks", "all"].source is Source.MODEL


def test_bpf_text_is_unknown_where_much_of_the_text_was_at_neither_edge() -> None:
    raw = trial("upstream")
    gone = {
        f"{edge}/{name}": raw.files[f"baseline/{name}"]
        for edge in ("open", "close")
        for name in ("bpf_progs.json", "kallsyms_text")
    }
    made = readings.of_trial(spec(), changed(raw, files={**raw.files, **gone}))
    walks = {r.labels["origin"]: r for r in made.readings if r.name == "itlb.walks"}
    assert walks["other"].value == 513 + 64, "programs, ftrace trampoline"
    assert walks["kernel_image"].status is Status.OK
    for origin in ("bpf_prog", "bpf_trampoline", "bpf_dispatcher"):
        assert walks[origin].status is Status.NOT_COUNTED
        assert "at neither edge" in walks[origin].reason


def test_named_texts_are_programs_with_their_number() -> None:
    sites = readings.of_trial(spec(), trial("upstream")).sites
    assert len(sites) <= 20
    assert sites[0].name == "bench_trigger_k#7"
    assert sites[0].origin == "bpf_prog"


def test_modules_and_trampolines() -> None:
    made = found(MIXED)
    assert made["bpf.trampoline.pages_4k", "close"].value == 1
    assert made["module_area.rodata.pages_4k", "close"].value == 13
    assert made["module_area.data.pages_4k", "close"].value == 17
    assert made["itlb.walks", "bpf_trampoline"].value == 6


def test_window_that_the_model_did_not_see() -> None:
    raw = trial("upstream")
    other = (wire.Window(number=2, label="w", ns=1),)
    with pytest.raises(TrialError, match="saw no window 2"):
        readings.of_trial(spec(), changed(raw, windows=other))


def test_text_of_a_workload_cannot_be_called_as_all_text_is() -> None:
    taken = (wire.UserText(origin="kernel_image", start=0, end=1),)
    with pytest.raises(TrialError, match="user_text: kernel_image is an origin of all text"):
        readings.of_trial(spec(), changed(trial("upstream"), user_texts=taken))


def test_symbol_that_the_kernel_lacks() -> None:
    raw = trial("upstream")
    watch = wire.Watch(symbol="nosuch", address=None)
    made = readings.of_trial(spec(), changed(raw, watch=watch)).readings
    ops = next(r for r in made if r.name == "ops")
    assert (ops.status, ops.reason) == (Status.NOT_SUPPORTED, "the kernel has no symbol nosuch")


NO_DUMP = "/sys/kernel/debug/page_tables/kernel: No such file or directory"


def without_dumps(**changes: Any) -> RawTrial:
    """A trial of a kernel without CONFIG_PTDUMP_DEBUGFS; snapshots as ``changes`` say."""
    raw = trial("upstream")
    files = {k: v for k, v in raw.files.items() if not k.endswith("kernel_page_tables")}
    absent = dict(raw.absent) | {f"{edge}/kernel_page_tables": NO_DUMP for edge in EDGES}
    assert raw.report is not None
    report = json.loads(raw.report)
    for one in report["snapshots"]:
        one.update(changes)
    return replace(changed(raw, files=files, absent=absent), report=json.dumps(report).encode())


def test_facts_without_debugfs_are_the_same() -> None:
    """The model's own page tables stand for the kernel's dump, reading for reading."""
    with_dumps = {r.key: r for r in readings.of_trial(spec(), trial("upstream")).readings}
    found = {r.key: r for r in readings.of_trial(spec(), without_dumps()).readings}
    compared = [key for key in found if key[0] == "page_tables.compared"]
    assert len(compared) == 4
    for key in compared:
        assert (with_dumps.pop(key).value or 0) > 4000
        reading = found.pop(key)
        assert (reading.status, reading.reason) == (Status.NOT_SUPPORTED, NO_DUMP)
    assert found == with_dumps


def test_missing_page_tables_cost_the_facts_they_hold_and_nothing_else() -> None:
    reason = "the model's page tables are cut: more than 9 entries"
    raw = without_dumps(complete=False, reason="more than 9 entries")
    made = readings.of_trial(spec(), raw).readings
    by = {(r.name, r.labels.get("at") or r.labels.get("origin")): r for r in made}
    assert by["direct_map.pages_4k", "close"].status is Status.NOT_SUPPORTED
    for name in (
        "wx.mappings",
        "bpf.text.pages_4k",
        "bpf.text.mapped_bytes",
        "kernel.text.pages_2m",
    ):
        assert by[name, "close"].status is Status.NOT_SUPPORTED
        assert by[name, "close"].reason == reason
    assert by["bpf.text.programs", "close"].value == 56
    assert by["itlb.walk_completed_4k", "bpf_prog"].value == 513


def test_perf_beside_the_model_where_there_is_no_pmu() -> None:
    raw = trial("upstream")
    message = b"event syntax error: 'r0285'\n"
    files = {**raw.files, "perf/stat.json": b"", "perf/stderr": message}
    made = readings.of_trial(
        spec(Counters.BOTH), changed(raw, perf_status=129, files=files)
    ).readings
    perf = [r for r in made if r.source is Source.PERF]
    assert perf and all(r.status is Status.NOT_SUPPORTED for r in perf)
    assert sum(r.name == "itlb.walk_completed_4k" and r.value is not None for r in made) == 10


def test_a_guests_own_snapshots_and_calls() -> None:
    """The plugin's own output, against the kernel's dump and its counters."""
    made = readings.of_trial(spec(), trial(SNAPSHOTS))
    compared = [r.value for r in made.readings if r.name == "page_tables.compared"]
    assert compared == [4544, 5583, 5583, 5568]
    (note,) = made.notes
    assert note.startswith("page tables at end: the guest changed 8 kB, from 0xffff88807f2da000")
    by = {(r.name, r.source.value, r.labels.get("phase")): r.value for r in made.readings}
    for name in ("tlb.remote_flush", "tlb.remote_flush_received"):
        for phase in ("load", "window", "unload", "trial"):
            assert by[name, "model", phase] == by[name, "kernel", phase]
    assert by["tlb.remote_flush", "model", "trial"] == 31
    calls = {
        r.labels["function"]: r
        for r in made.readings
        if r.name == "kernel.calls" and r.labels["phase"] == "load"
    }
    assert calls["set_memory_ro"].value == 27
    assert calls["__split_large_page"].status is Status.NOT_SUPPORTED
    keys = [r.key for r in made.readings]
    assert len(set(keys)) == len(keys)


def test_a_program_in_the_kernels_last_text_page_is_counted() -> None:
    """As the execmem variant does it: _etext lies in the same 2 MB page."""
    raw = trial("upstream")
    files = dict(raw.files)
    tail = b"0xffffffff81a01700"
    files["close/bpf_progs.json"] = files["close/bpf_progs.json"].replace(
        b"0xffffffffc00081e0", tail, 1
    )
    where = layout(Files(files, raw.absent), "close")
    made = {r.name: r.value for r in of_text(where, "close")}
    assert made["bpf.text.in_kernel_image"] == 1
    assert made["bpf.text.pages_4k"] == 56
