# SPDX-License-Identifier: GPL-2.0-only
"""Loops over processes: what the guest is told, and what is made of its counts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.counters import itlb as reports
from harness.errors import InfrastructureError
from harness.guest.agent.address_spaces import NotKnown
from harness.itlb import known_processes
from harness.itlb.known_processes import BASE, LOOPS
from harness.kernel import bootimage
from harness.pipeline import process_guest, views
from harness.pipeline.hardware import Hardware
from harness.pipeline.process_guest import ProcessCheck
from harness.pipeline.validation import Validation


def site(address: int, walks: int, page: str = "4k") -> dict[str, Any]:
    return {
        "address": hex(address), "user": True, "global": False, "page": page,
        "stlb_hits": 0, "walks": walks,
    }  # fmt: skip


def test_each_loop_has_a_window() -> None:
    first, *lines = process_guest.loops_file(LOOPS, 32).decode().splitlines()
    assert first == "contexts 32"
    assert lines[0] == f"1 stay 1 4 24 60 {BASE:x}"
    assert [line.split()[1:3] for line in lines] == [[x.kind, str(x.processes)] for x in LOOPS]
    assert len(lines) < 32  # windows that the plugin has


def test_only_the_processes_own_pages_count() -> None:
    end = BASE + (2 * known_processes.PAGES << 12)
    sites = [site(BASE, 3), site(end - 4096, 5), site(end, 7), site(0x400000, 11, "2m")]
    walked = sum(one["walks"] for one in sites)
    vcpu = {
        "vcpu": 0, "lookups": walked, "l1_hits": 0, "stlb_hits": 0, "walks_4k": walked - 11,
        "walks_2m": 11, "walks_1g": 0, "walks_not_mapped": 0, "insns_kernel": 9, "insns_user": 9,
        "flushes": {},
    }  # fmt: skip
    document = {
        "schema": 2, "profile": {}, "policy": {}, "qemu": {}, "vcpus": 1,
        "windows": [
            {"id": number, "vcpus": [vcpu], "watch": [], "sites": sites} for number in (0, 4)
        ],
        "watched": [], "snapshots": [], "unclosed": [], "armed": True, "self_checks": [],
    }  # fmt: skip
    report = reports.decode(msgspec.json.encode(document))
    assert process_guest.walks_of(report, 4, 2) == 8
    assert process_guest.kernel_walks_of(report, 4, 0x412345) == 11
    assert process_guest.kernel_walks_of(report, 4, 0x812345) == 0
    assert process_guest.kernel_walks_of(report, 4, BASE) is None, "on small pages"


def test_the_code_that_switches_is_found_on_the_console() -> None:
    console = "[    0.1] x\r\nprocess_loops: switch_mm_irqs_off at ffffffff81076540\r\n"
    assert process_guest.switch_address(console) == 0xFFFFFFFF81076540
    with pytest.raises(InfrastructureError, match="did not say where switch_mm_irqs_off is"):
        process_guest.switch_address("process_loops: done")


def test_types_are_found_in_a_kernel() -> None:
    types = b"\x9f\xeb\x01\x00\x18\x00\x00\x00" + b"types"
    assert bootimage.find_btf(b"\x7fELF" + types) == types
    assert bootimage.find_btf(b"\x7fELF") is None


def test_a_kernel_without_types_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootimage, "inspect", lambda path: path)
    monkeypatch.setattr(bootimage, "unpack", lambda image, folder: b"\x7fELF")
    with pytest.raises(NotKnown, match="the kernel has no BTF: build it"):
        process_guest.contexts_offset(tmp_path / "bzImage")


def shown(capsys: pytest.CaptureFixture[str], *checks: ProcessCheck, note: str = "") -> str:
    validation = Validation(
        kernel="k", checks=(), hardware=Hardware(note="none"), processes=checks, processes_note=note
    )
    views.show_validation(validation, as_json=False)
    return capsys.readouterr().out


def test_a_count_that_differs_is_shown_with_the_right_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    right = ProcessCheck(
        profile="zen3", pti="on", kind="stay", processes=7, page="own", expected=1680, counted=1680
    )
    wrong = replace(right, processes=8, counted=5)
    assert "Not compared: the kernel's own page" in " ".join(shown(capsys, right, wrong).split())
    kernel = replace(right, page="kernel", expected=420, counted=420)
    text = shown(capsys, right, kernel, wrong)
    assert "7, 8 stay" in text
    assert "7 stay: kernel's page" in text
    assert "1680 5, not 1680" in text
    assert "3 counts of loops over processes: 2 exact" in text


def test_loops_that_could_not_run_say_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert "loops over processes: not run: no types" in shown(capsys, note="no types")
