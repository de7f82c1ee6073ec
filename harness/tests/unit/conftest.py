# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures that several unit tests share."""

from pathlib import Path

import pytest

from harness.tests.unit.in_process import Bench, program


@pytest.fixture
def bench(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """The program in this process."""
    return program(capfd, monkeypatch)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers of this session share."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if own.name.startswith("popen-") else own) / "shared"
    folder.mkdir(exist_ok=True)
    return folder
