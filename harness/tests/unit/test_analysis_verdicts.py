# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts of tests by build: what is new, what differs, and what a table says of it."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from harness.analysis.compare import compare
from harness.analysis.verdicts import gather, new_failures
from harness.report import markdown, terminal
from harness.report.verdict_table import verdict_table
from harness.store.loading import LoadedRun
from harness.tests.unit import synthetic_runs as made

BASE = {"a": "pass", "b": "fail", "c": "skip", "d": "pass"}
BUILDS = ("base", "ours")


@pytest.mark.parametrize(
    ("ours", "new"),
    [
        (BASE, ()),
        ({**BASE, "a": "fail"}, ("a",)),
        ({**BASE, "c": "fail"}, ("c",)),  # what the base skips and ours fails is ours too
        ({**BASE, "b": "pass"}, ()),
        ({**BASE, "d": "not run"}, ("d",)),
        ({**BASE, "e": "fail"}, ()),  # the base never came to it
        ({**BASE, "a": "skip"}, ()),
    ],
)
def test_new_failures(ours: dict[str, str], new: tuple[str, ...]) -> None:
    assert new_failures(ours, BASE) == new


def test_a_failure_at_one_seed_is_a_failure() -> None:
    found = gather([("base", {"a": "pass"}), ("base", {"a": "fail"})], ("base",), "base")
    assert found is not None
    assert found.counts == {"base": {"fail": 1}}


def test_a_test_that_one_build_lost_is_not_run_and_new() -> None:
    found = gather([("base", BASE), ("ours", {"a": "pass"})], BUILDS, "base")
    assert found is not None
    assert found.counts["ours"] == {"pass": 1, "not run": 3}
    assert found.new_failures == {"ours": ("d",)}
    assert [row.test for row in found.rows] == ["b", "c", "d"]


def test_no_verdicts_no_table() -> None:
    assert gather([("base", {}), ("ours", {})], BUILDS, "base") is None
    assert compare([made.run(seeds=(1,), pti=("on",))]).blocks[0].verdicts is None


def test_a_build_without_verdicts_has_no_column() -> None:
    found = gather([("base", BASE), ("ours", {})], BUILDS, "base")
    assert found is not None
    assert list(found.counts) == ["base"]


def test_a_long_table_keeps_its_new_failures() -> None:
    base = {f"t{n:03}": "fail" for n in range(100)} | {"z": "pass"}
    found = gather([("base", base), ("ours", {**base, "z": "fail"})], BUILDS, "base")
    assert found is not None
    shown = verdict_table(found, "base", limit=8)
    assert (len(shown.rows), shown.left) == (8, 93)
    assert shown.rows[0] == ("z", "pass", "fail")
    assert len(verdict_table(found, "base").rows) == 101


def judged(verdicts: dict[str, dict[str, str]]) -> LoadedRun:
    run = made.run(seeds=(1,), pti=("on",))
    records = tuple(replace(r, verdicts=verdicts[r.spec.variant]) for r in run.records)
    return LoadedRun(run.manifest, records, ())


def test_reports_say_what_is_new() -> None:
    run = judged(
        {
            "upstream": {"fexit_sleep": "pass", "xdp|link": "pass"},
            "bpf_prog_pack": {"fexit_sleep": "pass", "xdp|link": "pass"},
            "execmem": {"fexit_sleep": "fail", "xdp|link": "pass"},
        }
    )
    found = compare([run])
    out = io.StringIO()
    terminal.render(
        found, Console(file=out, width=120, force_terminal=True, color_system="standard")
    )
    said = out.getvalue()
    assert "\x1b[31mpti=on: execmem: 1 new failure against upstream: fexit_sleep" in said
    assert "\x1b[32mpti=on: bpf_prog_pack: no new failure against upstream in 2 tests" in said
    text = markdown.render(found)
    assert "| fexit\\_sleep | pass | pass | fail |" in text
    assert "execmem: 1 new failure against upstream: fexit\\_sleep" in text
