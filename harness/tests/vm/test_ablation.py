# SPDX-License-Identifier: GPL-2.0-only
"""The builds of suite `ablation` differ from the others in the one thing that they are for."""

import re

import pytest

from harness.tests.vm.bare import SPLAT, console_of, entry_of, tagged

pytestmark = [pytest.mark.vm, pytest.mark.long]

SCRIPT = """\
memory before
bench -w1 -d900 trig-kprobe >/bench.1 2>&1 & one=$!
renice -n 19 $one
for try in $(seq 300); do ls -l /proc/$one/fd | grep -q bpf_link && break; sleep 0.1; done
memory live; page_table live
bpf_symbols | grep bpf_prog_ | sed 's/^/LIVE /'
grep -w _etext /proc/kallsyms | sed 's/^/ETEXT /'
kill $one; wait; sleep 1; page_table left
"""


class Booted:
    """One build with a program of ``bench`` loaded."""

    def __init__(self, console: str) -> None:
        self.console = console
        self.table = tagged(console, "PT live ")
        self.live = [int(line.split()[0], 16) for line in tagged(console, "LIVE ")]
        self.etext = int(tagged(console, "ETEXT ")[0].split()[0], 16)
        assert self.live, "no program was in use"

    def kib(self, when: str, key: str) -> int:
        """A figure of /proc/meminfo; 0 where it has no such line."""
        lines = (line.split() for line in tagged(self.console, f"MEM {when} "))
        return next((int(words[1]) for words in lines if words[0] == f"{key}:"), 0)

    def level_of_text(self) -> set[str]:
        entries = [entry_of(self.table, address) for address in self.live]
        assert all(" ro " in entry for entry in entries)
        return {entry.split()[-1] for entry in entries}

    def level_of_kernels_last(self) -> str:
        return entry_of(self.table, self.etext - 1).split()[-1]


@pytest.fixture(
    scope="module",
    params=[
        "pack-on-large-area", "pack-direct-map-4k", "pack-tail-kept", "execmem-no-tail",
        "execmem-direct-map-4k",
    ],
)  # fmt: skip
def build(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def booted(build: str, tmp_path_factory: pytest.TempPathFactory) -> Booted:
    return Booted(console_of(build, SCRIPT, tmp_path_factory.mktemp("boot")))


def test_nothing_is_wrong_with_it(booted: Booted) -> None:
    assert [line for line in booted.console.splitlines() if re.search(SPLAT, line)] == []
    for when in ("live", "left"):
        table = tagged(booted.console, f"PT {when} ")
        assert [line for line in table if " RW " in line] == []


def test_text_and_direct_map_are_what_the_name_says(build: str, booted: Booted) -> None:
    assert booted.level_of_text() == {"pmd" if build.startswith("execmem") else "pte"}
    large = [booted.kib(when, "DirectMap2M") for when in ("before", "live")]
    if build.endswith("direct-map-4k"):
        assert large == [0, 0]
    elif build != "pack-tail-kept":
        # One entry at most: other memory than text has its permissions changed as well.
        assert large[0] - large[1] <= 2048


def test_only_a_kept_tail_leaves_the_kernels_last_page_whole(build: str, booted: Booted) -> None:
    assert booted.level_of_kernels_last() == ("pmd" if build == "pack-tail-kept" else "pte")
