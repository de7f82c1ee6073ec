# SPDX-License-Identifier: GPL-2.0-only
"""A snapshot has the page tables that the kernel's own dump has, to the last page."""

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from harness.tests.vm.modelled import Boot, initrd_of

pytestmark = [pytest.mark.vm, pytest.mark.xdist_group("pipeline")]

BYTES = {"4k": 1 << 12, "2m": 1 << 21, "1g": 1 << 30}
SIZES = {"pte": "4k", "pmd": "2m", "pud": "1g"}
IMAGE, IMAGE_END = 0xFFFF_FFFF_8000_0000, 0xFFFF_FFFF_FF00_0000
LINE = re.compile(r"0x([0-9a-f]{16})-0x([0-9a-f]{16}) +\d+[KMGTPE] +(.*\S) +(pte|pmd|pud)\s*$")


class Page(NamedTuple):
    start: int
    size: str
    w: bool
    x: bool
    g: bool
    direct: bool


@pytest.fixture(scope="module")
def initrd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return initrd_of("page_tables", tmp_path_factory.mktemp("guest"))


def dumped(console: str) -> list[Page]:
    """The pages of the kernel's dump that a snapshot keeps."""
    pages, section = [], ""
    for line in console.splitlines():
        if line.startswith("---["):
            section = line.strip("-[] \r")
        found = LINE.match(line)
        words = found[3].split() if found else []
        if not found or not {"RW", "ro"} & set(words):
            continue
        size = SIZES[found[4]]
        x, direct = "x" in words, section == "Low Kernel Mapping"
        for start in range(int(found[1], 16), int(found[2], 16), BYTES[size]):
            if start >> 63 and (x or direct or IMAGE <= start < IMAGE_END):
                pages.append(Page(start, size, "RW" in words, x, "GLB" in words, direct))
    return pages


def kept(snapshot: dict[str, list[tuple[str, int, str, str]]]) -> list[Page]:
    return [
        Page(int(start, 16) + n * BYTES[size], size, *(letter != "-" for letter in flags))
        for start, pages, size, flags in snapshot["runs"]
        for n in range(pages)
    ]


@pytest.mark.parametrize("pti", ["on", "off"])
@pytest.mark.parametrize("kernel", ["upstream", "bpf_prog_pack", "execmem"])
def test_a_snapshot_equals_the_kernels_dump(
    initrd: Path, tmp_path: Path, kernel: str, pti: str
) -> None:
    guest = Boot(initrd=initrd, done="page_tables: done", kernel=kernel, pti=pti)
    report = json.loads(guest.report(tmp_path / "work"))
    expected = dumped((tmp_path / "work/console.log").read_text(errors="replace"))
    assert len(expected) > 1000
    for snapshot in report["snapshots"]:
        assert snapshot["complete"]
        assert kept(snapshot) == expected
