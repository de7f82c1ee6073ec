# SPDX-License-Identifier: GPL-2.0-only
"""Modules that run in the guest, imported as there: ``agent`` and a workload's own."""

import importlib
import sys
from types import ModuleType

import pytest

from harness.paths import PROJECT, WORKLOADS


def workload_module(monkeypatch: pytest.MonkeyPatch, folder: str, name: str) -> ModuleType:
    """The module ``name`` of ``workloads/<folder>``, fresh, for the length of one test."""
    monkeypatch.syspath_prepend(str(PROJECT / "harness" / "guest"))
    monkeypatch.syspath_prepend(str(WORKLOADS / folder))
    for loaded in list(sys.modules):
        if loaded in ("agent", name) or loaded.startswith("agent."):
            monkeypatch.delitem(sys.modules, loaded)
    return importlib.import_module(name)
