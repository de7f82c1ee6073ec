# SPDX-License-Identifier: GPL-2.0-only
"""Address spaces: the model is fed what a guest without PCIDs does, and counts what Linux
would have done with them."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import proc
from harness.itlb import plugin
from harness.itlb.reference import load_profile
from harness.itlb.reference_linux import Machine, Process
from harness.tests.unit.compiled_once import compiled
from harness.tests.unit.itlb_driver import PROFILES, SANITIZE

SKYLAKE = plugin.profile_path("skylake-sp")
KERNEL = 0xFFFFFFFF81000000


@pytest.fixture(scope="module")
def recorder(shared_folder: Path) -> Path:
    names = {"trace_write.c", *plugin.REPLAY, *plugin.LIBRARY} - {"trace_read.c", plugin.DRIVER}
    files = [str(plugin.HERE / "recorder.c"), *(str(plugin.SOURCES / name) for name in names)]
    words = ["gcc", *plugin.CFLAGS, *SANITIZE, f"-I{plugin.SOURCES}", *sorted(files), "-lz"]
    return compiled(shared_folder, lambda out: [*words, "-o", str(out)])


def report(recorder: Path, folder: Path, text: str, *options: str) -> Any:
    out = folder / "report.json"
    proc.run([str(recorder), f"trace={folder / 'trace'}", f"out={out}", *options], input=text)
    return json.loads(out.read_bytes())


def counted(recorder: Path, folder: Path, machine: Machine, profile: Path) -> list[dict[str, int]]:
    pti = f"pti={'on' if machine.isolation else 'off'}"
    options = (f"profile={profile}", pti, f"host_page={machine.host_page}")
    document = report(recorder, folder, "".join(machine.shown), *options)
    assert all(check["ok"] for check in document["self_checks"]), document["self_checks"]
    assert document["policy"]["address_spaces"] == "contexts"
    vcpus: list[dict[str, int]] = document["windows"][0]["vcpus"]
    return vcpus


def same(recorder: Path, folder: Path, machine: Machine, profile: Path) -> None:
    """The model in C counts, CPU by CPU, what the kernel with PCIDs came to."""
    for cpu, vcpu in zip(machine.cpus, counted(recorder, folder, machine, profile), strict=True):
        expected = {
            "l1_hits": cpu.counts["l"],
            "stlb_hits": cpu.counts["s"],
            **{f"walks_{size}": cpu.walks[size] for size in ("4k", "2m", "1g")},
        }
        assert {name: vcpu[name] for name in expected} == expected, f"CPU {cpu.number}"


def started(profile: Path, *, isolation: bool, cpus: int = 1, host_page: str = "2m") -> Machine:
    machine = Machine(load_profile(profile), isolation, host_page)
    machine.start(cpus)
    return machine


def busy(machine: Machine, rng: random.Random, steps: int) -> None:
    """Processes come, go, map, unmap and run, on every CPU."""
    pieces = [KERNEL + (n << 21) + (4096 * m) for n in range(4) for m in (0, 3, 200)]
    user = [0x400000 + (n << 12) for n in range(24)]
    kernel = [(address, "2m") for address in pieces]
    programs = [(0xFFFFFFFFA0000000 + (n << 12), "4k") for n in range(24)]
    for _ in range(steps):
        cpu = rng.choice(machine.cpus)
        chosen = rng.choice(machine.processes)
        action = rng.choices(range(8), (2, 1, 4, 1, 1, 1, 6, 6))[0]
        if action == 0 and len(machine.processes) < 10:
            machine.fork()
        elif action == 1 and len(machine.processes) > 2:
            others = [p for p in machine.processes if p is not chosen]
            machine.end(chosen, rng.choice(others))
        elif action == 2:
            cpu.switch(chosen)
        elif action == 3:
            machine.flush(chosen)
        elif action == 4:
            machine.flush(chosen, rng.sample(user, rng.randrange(1, 4)))
        elif action == 5:
            machine.flush_kernel(rng.choice([*programs, *kernel])[0])
        elif action == 6:
            cpu.to_kernel()
            for address, size in rng.sample([*kernel, *programs], 6):
                cpu.fetch(address, size, not machine.isolation)
        else:
            cpu.to_user()
            for address in rng.sample(user, 5):
                cpu.fetch(address, "4k", False)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.stem)
@pytest.mark.parametrize("isolation", [True, False], ids=["pti-on", "pti-off"])
@pytest.mark.parametrize("host_page", ["2m", "4k"])
def test_equals_linux(
    recorder: Path, tmp_path: Path, profile: Path, isolation: bool, host_page: str
) -> None:
    machine = started(profile, isolation=isolation, cpus=2, host_page=host_page)
    busy(machine, random.Random(profile.stem), 700)
    same(recorder, tmp_path, machine, profile)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    isolation=st.booleans(),
    cpus=st.integers(1, 3),
    host_page=st.sampled_from(["2m", "4k"]),
)
def test_equals_linux_on_any_run(
    recorder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    isolation: bool,
    cpus: int,
    host_page: str,
) -> None:
    machine = started(SKYLAKE, isolation=isolation, cpus=cpus, host_page=host_page)
    busy(machine, random.Random(seed), 150)
    same(recorder, tmp_path_factory.mktemp("any"), machine, SKYLAKE)


def walks(vcpu: dict[str, int]) -> int:
    return sum(vcpu[f"walks_{size}"] for size in ("4k", "2m", "1g"))


@pytest.mark.parametrize(("isolation", "expected"), [(True, 6 + 2), (False, 1 + 1)])
def test_a_flush_of_a_kernel_page_dooms_the_other_address_spaces(
    recorder: Path, tmp_path: Path, isolation: bool, expected: int
) -> None:
    """Without isolation the page is global, and one flush is all."""
    machine = started(SKYLAKE, isolation=isolation)
    (cpu,) = machine.cpus
    page = 0xFFFFFFFFA0000000
    processes = [machine.processes[0], *(machine.fork() for _ in range(5))]
    for process in processes:
        cpu.switch(process)
        cpu.fetch(page, "4k", not isolation)
    machine.flush_kernel(page)
    for process in processes[4:]:
        cpu.switch(process)
        cpu.fetch(page, "4k", not isolation)
    same(recorder, tmp_path, machine, SKYLAKE)
    (vcpu,) = counted(recorder, tmp_path, machine, SKYLAKE)
    assert walks(vcpu) == expected


def test_a_flush_reaches_the_user_half_on_the_way_back_to_it(
    recorder: Path, tmp_path: Path
) -> None:
    """Until then its entries take room, here that of another process in a full first level."""
    profile = plugin.profile_path("zen3")
    machine = started(profile, isolation=True)
    (cpu,) = machine.cpus
    first, second = machine.processes[0], machine.fork()

    def run(process: Process, pages: int) -> None:
        cpu.switch(process)
        cpu.to_user()
        for page in range(pages):
            cpu.fetch(0x400000 + (page << 12), "4k", False)

    run(second, 30)
    run(first, 34)
    machine.flush(first)
    for page in range(10):
        cpu.fetch(0xFFFFFFFFA0000000 + (page << 12), "4k", False)
    before = cpu.counts["s"]
    run(second, 30)
    assert cpu.counts["s"] - before >= 10
    same(recorder, tmp_path, machine, profile)


def test_a_page_table_used_again_is_another_address_space(recorder: Path, tmp_path: Path) -> None:
    machine = started(SKYLAKE, isolation=False)
    (cpu,) = machine.cpus
    init, shell = machine.processes[0], machine.fork()
    cpu.switch(shell)
    cpu.fetch(0x400000, "4k", False)
    machine.end(shell, init)
    child = machine.fork()
    assert child.table == shell.table
    cpu.switch(child)
    cpu.fetch(0x400000, "4k", False)
    same(recorder, tmp_path, machine, SKYLAKE)
    (vcpu,) = counted(recorder, tmp_path, machine, SKYLAKE)
    assert walks(vcpu) == 2


def test_a_flush_that_was_put_off_comes_with_the_switch(recorder: Path, tmp_path: Path) -> None:
    machine = started(SKYLAKE, isolation=False, cpus=2)
    here, there = machine.cpus
    init, threads = machine.processes[0], machine.fork()
    for cpu in (here, there):
        cpu.switch(threads)
        cpu.fetch(0x400000, "4k", False)
    here.switch(init)
    machine.flush(threads)  # there; here its generation is behind from now on
    here.switch(threads)
    here.fetch(0x400000, "4k", False)
    same(recorder, tmp_path, machine, SKYLAKE)
    vcpu, _ = counted(recorder, tmp_path, machine, SKYLAKE)
    assert walks(vcpu) == 2
    assert vcpu["flushes"]["cr3_behind"] == 1  # type: ignore[index]


@pytest.mark.parametrize(("others", "kept"), [(3, True), (4, False)])
def test_the_second_level_keeps_four_address_spaces(
    recorder: Path, tmp_path: Path, others: int, kept: bool
) -> None:
    """TLB;DR, tests 16 to 19, of a Skylake-class part; Linux has room for six."""
    machine = started(SKYLAKE, isolation=False)
    (cpu,) = machine.cpus
    first = machine.processes[0]
    processes = [machine.fork() for _ in range(others)]
    cpu.fetch(0x400000, "4k", False)
    for process in (*processes, first):
        cpu.switch(process)
    cpu.fetch(0x400000, "4k", False)
    same(recorder, tmp_path, machine, SKYLAKE)
    (vcpu,) = counted(recorder, tmp_path, machine, SKYLAKE)
    assert (walks(vcpu), vcpu["stlb_hits"]) == ((1, 1) if kept else (2, 0))


def test_a_context_with_two_page_tables_fails_the_check(recorder: Path, tmp_path: Path) -> None:
    text = "v 0\ng 0 7 1\nc 0 1000000\nc 0 2000000\n"
    document = report(recorder, tmp_path, text, f"profile={SKYLAKE}")
    (check,) = (c for c in document["self_checks"] if "one page table" in c["name"])
    assert (check["ok"], check["detail"]) == (False, "1 do not")


@pytest.mark.parametrize(("page", "sizes"), [("2m", (0, 1)), ("4k", (1, 0))])
def test_an_entry_is_as_large_as_the_smaller_of_two_pages(
    recorder: Path, tmp_path: Path, page: str, sizes: tuple[int, int]
) -> None:
    """Two pieces of a 2 MB page of the guest are one entry, or two where the host has 4 kB."""
    text = f"v 0\nf 0 {KERNEL:x} 2 1\nf 0 {KERNEL + 0x5000:x} 2 1\n"
    options = (f"profile={SKYLAKE}", f"host_page={page}")
    document = report(recorder, tmp_path, text, *options)
    assert document["policy"]["host_page"] == page
    (vcpu,) = document["windows"][0]["vcpus"]
    assert (vcpu["walks_4k"], vcpu["walks_2m"]) == (2 * sizes[0], sizes[1])


@pytest.mark.parametrize(("page", "expected"), [("2m", 2), ("4k", 4)])
def test_invlpg_takes_all_pieces_of_a_page(
    recorder: Path, tmp_path: Path, page: str, expected: int
) -> None:
    pieces = (KERNEL, KERNEL + 0x5000)
    fetches = "".join(f"f 0 {address:x} 2 1\n" for address in pieces)
    text = f"v 0\n{fetches}i 0 {KERNEL:x}\n{fetches}"
    document = report(recorder, tmp_path, text, f"profile={SKYLAKE}", f"host_page={page}")
    assert walks(document["windows"][0]["vcpus"][0]) == expected
