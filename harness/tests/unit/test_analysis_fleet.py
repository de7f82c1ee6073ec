# SPDX-License-Identifier: GPL-2.0-only
"""The simulation of many machines, against what can be worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.fleet import Figures, main, simulate, table

FREE = Figures(trial_s=40.0, spread=0.0, start_s=0.0, collect_s=0.0)


def test_machines_that_cost_nothing_to_start_share_the_time() -> None:
    assert simulate(FREE, 1, 100).seconds == pytest.approx(4000)
    assert simulate(FREE, 50, 100).seconds == pytest.approx(80)
    assert simulate(FREE, 1000, 100).seconds == pytest.approx(40)
    assert simulate(FREE, 50, 100).machine == pytest.approx(1.0)
    assert simulate(FREE, 1000, 100).machine == pytest.approx(0.1)


def test_the_coordinator_is_the_end_of_it() -> None:
    figures = Figures(trial_s=40.0, spread=0.0, start_s=0.4, collect_s=0.1)
    fleet = simulate(figures, 1000, 10_000)  # 100 machines are all that it can start
    assert fleet.seconds == pytest.approx(10_000 * 0.4 + 40 + 1000)
    assert fleet.coordinator == pytest.approx(4000 / 4040)
    assert fleet.machine == pytest.approx(0.0990, abs=1e-3)
    assert fleet.per_hour == pytest.approx(3600 * 10_000 / 5040)


@given(
    st.integers(1, 50),
    st.integers(1, 200),
    st.floats(0.1, 1000),
    st.floats(0, 0.5),
    st.floats(0, 10),
    st.integers(0, 100),
)
def test_bounds(m: int, n: int, trial: float, spread: float, start: float, seed: int) -> None:
    fleet = simulate(Figures(trial_s=trial, spread=spread, start_s=start, collect_s=0), m, n, seed)
    assert fleet.seconds >= n * start
    assert 0 <= fleet.coordinator <= 1
    assert 0 < fleet.machine <= 1 + 1e-9


def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--trial-s", "36", "--spread", "0", "--start-s", "0", "--collect-s", "0",
          "--machines", "2", "--trials", "200"])  # fmt: skip
    said = capsys.readouterr().out
    assert said.startswith("Simulated, not measured")
    assert said.endswith("| 2 | 200 | 60 min | 200 | 100% | 0% |\n")
    with pytest.raises(SystemExit):
        main(["--trial-s", "nan", "--start-s", "0", "--collect-s", "0"])


def test_less_than_one() -> None:
    with pytest.raises(ValueError, match="at least one"):
        simulate(FREE, 0, 5)
    assert table([]).count("\n") == 1
