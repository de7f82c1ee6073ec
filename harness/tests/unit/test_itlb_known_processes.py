# SPDX-License-Identifier: GPL-2.0-only
"""Walks of processes that take turns, as the reference has them and as arithmetic has."""

import pytest

from harness.itlb import known_processes, plugin
from harness.itlb.known_processes import LOOPS, PAGES, ROUNDS, Kind, ProcessLoop
from harness.itlb.reference import load_profile

CONTEXTS = 6


def geometry(profile: str) -> dict[str, object]:
    return load_profile(plugin.profile_path(profile))


def all_walk(processes: int) -> int:
    return processes * PAGES * ROUNDS


@pytest.mark.parametrize("isolation", [False, True], ids=["pti-off", "pti-on"])
@pytest.mark.parametrize(("profile", "tags"), [("skylake-sp", 4), ("zen3", 12)])
@pytest.mark.parametrize("processes", [2, 3, 4, 5, 6, 7])
def test_who_stays_walks_all_or_nothing(
    profile: str, tags: int, processes: int, isolation: bool
) -> None:
    """A process needs a context of six and, with isolation, two tags of those that are kept."""
    kept = processes <= CONTEXTS and processes * (1 + isolation) <= tags
    loop = ProcessLoop(kind=Kind.STAY, processes=processes)
    walks = known_processes.walks(geometry(profile), isolation, loop)
    assert walks.own == (0 if kept else all_walk(processes))
    # The kernel's page is global without isolation; with it each address space has an entry.
    assert walks.kernel == (0 if kept or not isolation else processes * ROUNDS)


def test_who_executes_walks_and_takes_a_context_of_six() -> None:
    """Its own pages in each round; the other process's when its context has come round."""
    loop = ProcessLoop(kind=Kind.EXEC, processes=2)
    walks = known_processes.walks(geometry("zen3"), False, loop)
    assert walks.own == PAGES * ROUNDS + PAGES * ROUNDS // CONTEXTS


@pytest.mark.parametrize("profile", ["skylake-sp", "zen3"])
@pytest.mark.parametrize(
    "loop",
    [loop for loop in LOOPS if loop.kind is not Kind.STAY],
    ids=lambda loop: f"{loop.processes}-{loop.kind.value}",
)
def test_the_context_to_begin_with_does_not_matter(profile: str, loop: ProcessLoop) -> None:
    counts = {known_processes.walks(geometry(profile), False, loop, phase).own for phase in (0, 3)}
    assert len(counts) == 1
