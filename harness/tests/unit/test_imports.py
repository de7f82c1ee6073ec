# SPDX-License-Identifier: GPL-2.0-only
"""Imports between packages go one way."""

import ast
from pathlib import Path

import harness

ROOT = Path(harness.__file__).parent

FOUNDATION = {"errors", "model", "paths", "printable"}
STAGES = {"kernel", "image", "guest", "counters", "itlb"}
COMMON = {"proc", "scratch", "durable", "tunables", "cache", "metrics", "config"}
ALLOWED: dict[str, set[str]] = {
    "printable": set(),
    "errors": {"printable"},
    "model": set(),
    "paths": {"errors"},
    "proc": FOUNDATION,
    "scratch": set(),
    "durable": set(),
    "tunables": FOUNDATION,
    "cache": FOUNDATION,
    "metrics": FOUNDATION,
    "config": FOUNDATION | {"metrics"},
    **dict.fromkeys(STAGES, FOUNDATION | COMMON),
    "counters": FOUNDATION | COMMON | {"guest"},  # what the guest sent, decoded
    "targets": FOUNDATION | COMMON | STAGES,
    "store": FOUNDATION | COMMON,
    "doctor": FOUNDATION | COMMON | {"counters", "itlb", "targets"},
    "analysis": FOUNDATION | {"metrics", "store"},
    "report": FOUNDATION | {"metrics", "store", "analysis"},
    "pipeline": FOUNDATION | COMMON | STAGES | {"targets", "store", "doctor", "analysis", "report"},
    "cli_settings": FOUNDATION | {"config"},
    "cli_options": FOUNDATION | {"config", "cli_settings"},
    "cli": FOUNDATION | {"config", "cli_settings", "cli_options", "pipeline"},
    "__main__": {"cli"},
    "__init__": set(),
    "tests": set(),
}


def imported(path: Path) -> set[str]:
    """First-level names below ``harness`` that the file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "harness" and len(parts) > 1:
                found.add(parts[1])
    return found


def test_imports_go_one_way() -> None:
    wrong = []
    for path in ROOT.rglob("*.py"):
        own = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if own == "tests":
            continue
        for name in imported(path) - ALLOWED[own] - {own}:
            wrong.append(f"{path.relative_to(ROOT)} imports harness.{name}")
    assert not wrong


def test_every_package_is_named() -> None:
    packages = {p.name for p in ROOT.iterdir() if (p / "__init__.py").exists()}
    modules = {p.stem for p in ROOT.glob("*.py")}
    assert packages | modules <= set(ALLOWED)


def test_standalone_packages_import_nothing_of_ours() -> None:
    """The agent runs in the guest and the perf parser is for others: neither needs us."""
    for name in ("guest/agent", "counters/perf_stat_parser"):
        files = list((ROOT / name).rglob("*.py"))
        assert files, name
        for path in files:
            text = path.read_text()
            own = "harness." + name.replace("/", ".")
            used = {line for line in text.splitlines() if "import" in line and "harness" in line}
            assert all(own in line for line in used), path
