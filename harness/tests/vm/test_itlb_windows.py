# SPDX-License-Identifier: GPL-2.0-only
"""Fast mode: a window is opened and closed while other vCPUs are in the model."""

import json
from pathlib import Path

import pytest

from harness.model.trial_settings import Mode
from harness.tests.vm.modelled import Boot, initrd_of

pytestmark = pytest.mark.vm


def test_what_a_window_counts_adds_up(tmp_path: Path) -> None:
    """20,000 times and more, beside three vCPUs that miss all the time."""
    guest = Boot(
        initrd=initrd_of("windows", tmp_path), done="windows: done on 4", smp=4, mode=Mode.FAST
    )
    report = json.loads(guest.report(tmp_path / "out"))
    assert all(check["ok"] for check in report["self_checks"]), report["self_checks"]
    (window,) = (w for w in report["windows"] if w["id"] == 1)
    assert sum(vcpu["lookups"] for vcpu in window["vcpus"]) > 0
