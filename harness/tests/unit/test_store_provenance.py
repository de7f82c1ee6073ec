# SPDX-License-Identifier: GPL-2.0-only
"""Hashes, names and host facts of a manifest."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from harness import proc
from harness.errors import PrerequisiteError
from harness.image import guest_layers
from harness.store import provenance
from harness.tests.unit import synthetic_runs as made


def test_sha256_of_a_tree(tmp_path: Path) -> None:
    def tree(name: str) -> Path:
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True)
        (folder / "workload.toml").write_text("name = 'x'\n")
        (folder / "sub" / "run.py").write_text("pass\n")
        return folder

    def sha256(folder: Path) -> str:
        return provenance.sha256_tree(folder, guest_layers.workload_files(folder))

    one, two = tree("one"), tree("two")
    same = sha256(one)
    assert sha256(two) == same
    (two / "__pycache__").mkdir()
    (two / "__pycache__" / "run.pyc").write_bytes(b"x")
    (two / ".swp").write_bytes(b"x")
    (two / ".git").mkdir()
    (two / ".git" / "config").write_bytes(b"x")
    (two / "README.md").write_text("What it is for.\n")
    assert sha256(two) == same
    (two / "sub" / "run.py").chmod(0o755)
    assert sha256(two) != same
    (two / "sub" / "run.py").chmod(0o644)
    (two / "sub" / "run.py").rename(two / "sub" / "ran.py")
    assert sha256(two) != same


def test_a_workloads_hash_is_over_what_the_guest_gets(tmp_path: Path) -> None:
    """Whatever changes the guest's layer changes the hash, and nothing else does."""
    folder = tmp_path / "workload"
    (folder / "sub").mkdir(parents=True)
    (folder / "workload.toml").write_text("name = 'x'\n")

    def both() -> tuple[str, str]:
        layer = guest_layers.trial_layer(tmp_path / "layer.cpio", b"{}", folder)
        return layer.sha256, provenance.sha256_tree(folder, guest_layers.workload_files(folder))

    before = both()
    for name in ("README.md", "sub/notes.md", ".hidden", "sub/x.pyc"):
        (folder / name).write_text("text\n")
        assert both() == before, name
    for name in ("sub/data.bin", "run.py"):
        (folder / name).write_text("text\n")
        after = both()
        assert all(new != old for new, old in zip(after, before, strict=True)), name
        before = after


def test_sha256_of_a_value_ignores_key_order() -> None:
    assert provenance.sha256_value({"a": 1, "b": 2}) == provenance.sha256_value({"b": 2, "a": 1})
    assert provenance.sha256_value(made.spec(seed=1)) != provenance.sha256_value(made.spec(seed=2))


def test_run_id() -> None:
    created = datetime(2026, 11, 23, 18, 25, 3, tzinfo=timezone(timedelta(hours=2)))
    trials = [made.spec()]
    name = provenance.run_id(created, "quick", trials)
    assert name.startswith("20261123T162503Z-quick-")
    assert provenance.run_id(created, "quick", trials) == name
    assert provenance.run_id(created, "quick", [made.spec(seed=2)]) != name
    assert "/" not in provenance.run_id(created, "../my suite", trials)
    assert provenance.iso(created) == "2026-11-23T16:25:03Z"
    assert provenance.now().tzinfo is UTC


def test_git_describe(tmp_path: Path) -> None:
    assert provenance.git_describe(tmp_path) == ""
    for command in (
        ["git", "init", "-q", "."],
        [
            "git",
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@e",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "x",
        ],
    ):
        proc.run(command, cwd=tmp_path)
    described = provenance.git_describe(tmp_path)
    assert len(described) == 12


def test_tool_version() -> None:
    assert provenance.tool_version("git").startswith("git version")
    with pytest.raises(PrerequisiteError, match="ended with"):
        provenance.tool_version("false")
    with pytest.raises(PrerequisiteError, match="not installed"):
        provenance.tool_version("no-such-tool-here")


def test_host_facts() -> None:
    texts = {
        "/proc/cpuinfo": "processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nmodel name\t: other\n",
        "/etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
    }
    facts = provenance.host_facts(texts.__getitem__)
    assert facts["cpu"] == "A CPU @ 2 GHz"
    assert facts["os"] == "Debian GNU/Linux 12 (bookworm)"
    assert int(facts["cpus"]) >= 1
    assert int(facts["memory_mib"]) > 0
    blank = provenance.host_facts(lambda path: "")
    assert "cpu" not in blank
    assert "os" not in blank
