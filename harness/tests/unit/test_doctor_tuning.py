# SPDX-License-Identifier: GPL-2.0-only
"""The machine is set for a measurement and put back, whatever happens in between.

The machines are made up: what is proved is what is written where, and when.
"""

from pathlib import Path

import pytest

from harness.doctor import Changed, diagnose, tune, undo, wanted
from harness.errors import DataError, InfrastructureError, UserError
from harness.tests.unit.test_doctor import CPU, INTEL, WORKS, changed

WATCHDOG = "/proc/sys/kernel/nmi_watchdog"
KSM = "/sys/kernel/mm/ksm/run"
THP = "/sys/kernel/mm/transparent_hugepage/enabled"
NOISY = {
    WATCHDOG: "1",
    KSM: "1",
    THP: "always madvise [never]",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "powersave",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "schedutil",
    f"{CPU}/intel_pstate/no_turbo": "0",
    f"{CPU}/smt/active": "1",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Files of a machine that is set for anything but measuring."""
    for path, text in NOISY.items():
        place = tmp_path / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return tmp_path


def values() -> dict[str, str]:
    return wanted(diagnose(changed(files=NOISY), probe=lambda: WORKS).findings)


def held(root: Path) -> dict[str, str]:
    return {path: (root / path.lstrip("/")).read_text() for path in NOISY}


def test_what_is_set_is_what_doctor_would_have_one_set() -> None:
    """Not what cannot be put back without harm: threads of a core, mitigations."""
    assert values() == {
        WATCHDOG: "0",
        KSM: "0",
        THP: "madvise",
        f"{CPU}/cpu0/cpufreq/scaling_governor": "performance",
        f"{CPU}/cpu1/cpufreq/scaling_governor": "performance",
        f"{CPU}/intel_pstate/no_turbo": "1",
    }
    assert wanted(diagnose(INTEL, probe=lambda: WORKS).findings) == {}


def test_set_and_put_back(root: Path) -> None:
    state = root / "run" / "tuned.json"
    done = tune(values(), root=root, state=state)
    assert Changed(path=WATCHDOG, before="1", now="0") in done
    assert {path: held(root)[path] for path in values()} == values()
    undo(root=root, state=state)
    assert held(root) == {**NOISY, THP: "never"}  # the word that was chosen
    assert not state.exists()
    with pytest.raises(UserError, match="nothing was tuned"):
        undo(root=root, state=state)


def test_twice_goes_back_to_what_was_before_the_first(root: Path) -> None:
    state = root / "tuned.json"
    tune({KSM: "0"}, root=root, state=state)
    tune({KSM: "2", WATCHDOG: "0"}, root=root, state=state)
    undo(root=root, state=state)
    assert (held(root)[KSM], held(root)[WATCHDOG]) == ("1", "1")


def test_a_crash_in_the_middle_is_undone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there is kept before the first setting is changed."""
    state = root / "tuned.json"
    write = Path.write_text
    left = [2]

    def crash(path: Path, text: str, **options: str) -> int:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        return write(path, text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", crash)
        with pytest.raises(KeyboardInterrupt):
            tune(values(), root=root, state=state)
    assert held(root) != NOISY
    undo(root=root, state=state)
    assert held(root) == {**NOISY, THP: "never"}


def test_a_setting_that_cannot_be_written_is_named_and_the_others_can_be_undone(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = root / "tuned.json"
    write = Path.write_text

    def refuse(path: Path, text: str, **options: str) -> int:
        if path.name == "run" and text == "0":
            raise PermissionError(13, "Permission denied")
        return write(path, text, **options)

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(InfrastructureError, match=f"{KSM}: cannot be set to '0': Permission"):
        tune({WATCHDOG: "0", KSM: "0"}, root=root, state=state)
    undo(root=root, state=state)
    assert held(root)[WATCHDOG] == "1"


def test_a_damaged_record_is_refused(root: Path) -> None:
    state = root / "tuned.json"
    state.write_text("{")
    with pytest.raises(DataError, match="what it undoes is then unknown"):
        undo(root=root, state=state)
