# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures that several unit tests share."""

import shutil
from pathlib import Path

import pytest

from harness.targets import trial_files
from harness.tests.unit.in_process import Bench, program
from harness.tests.unit.recorded_machine import CAPTURED, CONSOLE


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


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The raw folder of a trial that ended well."""
    folder = tmp_path_factory.mktemp("captured")
    for path in CAPTURED.iterdir():
        shutil.copy(path, folder)
    (folder / trial_files.CONSOLE).write_bytes(CONSOLE)
    return folder
