# SPDX-License-Identifier: GPL-2.0-only
"""Reading runs back: what cannot be trusted is refused, by path, line, field and value."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import DataError, UserError
from harness.store import create_run, find_run, load_run
from harness.tests.unit import synthetic_runs as made


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    given = made.run(seeds=(1,), pti=("on",))
    with create_run(given.manifest, tmp_path) as run:
        for record in given.records:
            run.append(record)
    return run.path


def spoil(path: Path, line: int, change: Callable[[dict[str, Any]], None]) -> None:
    lines = path.read_text().splitlines()
    document = json.loads(lines[line - 1])
    change(document)
    lines[line - 1] = json.dumps(document)
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda d: d["spec"].update(seed="one"),
            "spec.seed: Expected `int`, got `str` (it is 'one",
        ),
        (lambda d: d["readings"][3].update(status="fine"), "readings[3].status: Invalid enum"),
        (lambda d: d["readings"][0].update(value=None), "readings[0]: reading itlb.walk_comp"),
        (lambda d: d.pop("trial"), "missing required field `trial`"),
        (lambda d: d.update(schema=7), "schema: version 7"),
        (
            lambda d: d.update(trial="other", spec=d["spec"] | {"seed": 8}),
            "is not in manifest.json",
        ),
    ],
)
def test_spoilt_record(saved: Path, change: Callable[[dict[str, Any]], None], said: str) -> None:
    path = saved / "records.jsonl"
    spoil(path, 2, change)
    with pytest.raises(DataError) as caught:
        load_run(saved)
    assert caught.value.message.startswith(f"{path}:2: ")
    assert said in caught.value.message
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("junk", ["", "{", "not json", '"text"', "[1]", "\x00\x00"])
def test_junk_in_the_middle_is_refused(saved: Path, junk: str) -> None:
    path = saved / "records.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], junk, *lines[1:]]) + "\n")
    with pytest.raises(DataError, match=r"records\.jsonl:2: "):
        load_run(saved)


def test_spoilt_manifest(saved: Path) -> None:
    path = saved / "manifest.json"
    document = json.loads(path.read_text())
    document["trials"][1]["mode"] = "quantum"
    path.write_text(json.dumps(document))
    with pytest.raises(DataError) as caught:
        load_run(saved)
    assert "manifest.json: trials[1].mode: Invalid enum value 'quantum'" in caught.value.message


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no manifest\.json"):
        load_run(tmp_path)


def test_a_trial_run_again_counts_by_its_last_record(tmp_path: Path) -> None:
    given = made.run(seeds=(1,), pti=("on",))
    first = given.records[0]
    with create_run(given.manifest, tmp_path) as run:
        run.append(made.failed(first.spec))
        for record in given.records:
            run.append(record)
    assert load_run(run.path) == given


def test_unknown_fields_of_a_later_minor_are_ignored(saved: Path) -> None:
    before = load_run(saved)
    spoil(saved / "records.jsonl", 1, lambda d: d.update(novelty=[1]))
    assert load_run(saved) == before


def test_find_run(tmp_path: Path) -> None:
    for name in ("20260101T000000Z-quick-aa", "20260102T000000Z-quick-bb"):
        create_run(made.manifest([made.spec()], name), tmp_path).close()
    first = tmp_path / "20260101T000000Z-quick-aa"
    assert find_run(str(first), tmp_path) == first
    assert find_run("20260101T000000Z-quick-aa", tmp_path) == first
    assert find_run("20260101", tmp_path) == first
    assert find_run("latest", tmp_path).name == "20260102T000000Z-quick-bb"
    with pytest.raises(UserError, match="more than one run '2026'"):
        find_run("2026", tmp_path)
    with pytest.raises(UserError, match="no run 'nosuch'") as caught:
        find_run("nosuch", tmp_path)
    assert "20260102T000000Z-quick-bb" in caught.value.remedy
    with pytest.raises(UserError, match="no run 'latest'"):
        find_run("latest", tmp_path / "empty")
