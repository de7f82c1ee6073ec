# SPDX-License-Identifier: GPL-2.0-only
"""What long steps say: live lines on a terminal, today's plain lines elsewhere."""

import io
import re
from collections.abc import Iterator

import pytest
from rich.console import Console

from harness.kernel import Steps
from harness.model.specs import TrialSpec
from harness.pipeline import estimate
from harness.pipeline.display import Display
from harness.pipeline.estimate import Running
from harness.pipeline.progress import Progress
from harness.tests.unit import synthetic_runs as made

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Clock:
    """A clock that stands until it is set."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Screen:
    """A terminal, or a log, of 100 columns."""

    def __init__(self, *, terminal: bool) -> None:
        self.file = io.StringIO()
        self.clock = Clock()
        console = Console(
            file=self.file,
            force_terminal=terminal,
            width=100,
            highlight=False,
            soft_wrap=True,
            _environ={"TERM": "xterm-256color"},
        )
        self.progress = Progress(console, clock=self.clock)

    def drawn(self) -> str:
        """What is on the terminal now: the live lines, drawn once more."""
        display = self.progress._display
        assert isinstance(display, Display)
        self.file.seek(0)
        self.file.truncate()
        display._live.refresh()
        return CONTROL.sub("", self.file.getvalue())


@pytest.fixture
def terminal() -> Iterator[Screen]:
    yield Screen(terminal=True)


@pytest.fixture
def log() -> Iterator[Screen]:
    yield Screen(terminal=False)


def specs(seeds: int) -> list[TrialSpec]:
    return [made.spec(seed=seed) for seed in range(1, seeds + 1)]


def test_trials_show_what_runs_how_many_are_left_and_an_estimate(terminal: Screen) -> None:
    given = specs(5)
    with terminal.progress.trials(given, jobs=2) as trials:
        trials.began(given[0].id)
        trials.began(given[1].id)
        trials.detail(given[1].id, "attaching 20 programs")
        before = terminal.drawn()
        assert "0 of 5, 5 left" in before
        assert given[0].id in before
        assert f"{given[1].id} " in before
        assert "attaching 20 programs" in before
        assert given[2].id not in before
        assert "about" not in before, "no trial has ended: nothing is known"
        terminal.clock.now += 300
        trials.ended(given[0].id, 300.0)
        trials.began(given[2].id)
        after = terminal.drawn()
        assert "1 of 5, 4 left" in after
        assert given[0].id not in after
        assert given[2].id in after
        # two of 300 s still wait, one began now, one is done in its 300 s; two side by side
        assert "about 8 min" in after
        assert "━" in after
    assert terminal.progress._display is None


def test_lines_that_stay_are_above_the_live_ones(terminal: Screen) -> None:
    given = specs(1)
    with terminal.progress.trials(given, jobs=1) as trials:
        trials.began(given[0].id)
        terminal.progress.say("[1/1] done")
        text = CONTROL.sub("", terminal.file.getvalue())
        assert text.index("[1/1] done") < text.rindex("0 of 1, 1 left")


def test_a_trial_that_was_not_booted_tells_nothing_of_the_time(terminal: Screen) -> None:
    given = specs(3)
    with terminal.progress.trials(given, jobs=1) as trials:
        trials.began(given[0].id)
        trials.ended(given[0].id, 0.0)
        assert trials.estimate() is None
        assert "1 of 3, 2 left" in terminal.drawn()


def test_what_runs_beside_a_step_has_a_line_of_its_own(terminal: Screen) -> None:
    with terminal.progress.step("kernels"):
        with terminal.progress.beside("guest image") as detail:
            detail("Unpacking python3.11")
            terminal.progress.detail("kernel upstream: 7 steps")
            drawn = terminal.drawn()
            assert "guest image " in drawn
            assert "Unpacking python3.11" in drawn
            assert "kernel upstream: 7 steps" in drawn
        assert "guest image" not in terminal.drawn()


def test_what_runs_beside_a_step_is_named_in_a_log(log: Screen) -> None:
    with log.progress.step("kernels"), log.progress.beside("guest image") as detail:
        log.clock.now += 31
        detail("Unpacking python3.11")
    assert log.file.getvalue() == (
        "kernels\n  ... guest image: Unpacking python3.11\n  done in 31 s\n"
    )


def test_a_log_has_plain_lines(log: Screen) -> None:
    given = specs(2)
    with log.progress.trials(given, jobs=1) as trials:
        trials.began(given[0].id)
        trials.detail(given[0].id, "too early for a line")
        log.clock.now += 31
        trials.detail(given[0].id, "attaching 20 programs")
        trials.detail(given[0].id, "no second line so soon")
        log.progress.steps(Steps(done=1, expected=2))
        log.progress.say("[1/2] done")
        trials.ended(given[0].id, 31.0)
    assert log.file.getvalue() == (
        f"trials\n  ... {given[0].id}: attaching 20 programs\n[1/2] done\n  done in 31 s\n"
    )


def test_quiet_says_nothing_anywhere() -> None:
    for terminal in (True, False):
        screen = Screen(terminal=terminal)
        screen.progress.quiet = True
        given = specs(1)
        with screen.progress.trials(given, jobs=1) as trials:
            trials.began(given[0].id)
            screen.clock.now += 60
            trials.detail(given[0].id, "text")
            trials.ended(given[0].id, 60.0)
            screen.progress.steps(Steps(done=1))
        assert screen.file.getvalue() == ""


def test_a_build_of_unknown_length_shows_its_steps_only(terminal: Screen) -> None:
    with terminal.progress.step("kernels"):
        terminal.progress.steps(Steps(done=0))
        terminal.clock.now += 100
        terminal.progress.detail("kernel execmem: 210 steps, kernel/fork.o")
        terminal.progress.steps(Steps(done=210, builds_left=1))
        shown = terminal.drawn()
    assert "210 steps, 1 more to build" in shown
    assert "kernel/fork.o" in shown
    assert "about" not in shown


def test_a_build_like_the_last_one_has_an_estimate(terminal: Screen) -> None:
    with terminal.progress.step("kernels"):
        terminal.progress.steps(Steps(done=0, expected=1000))
        terminal.clock.now += 200
        terminal.progress.steps(Steps(done=250, expected=1000))
        assert "250 of about 1,000 steps" in (shown := terminal.drawn())
        assert "about 10 min" in shown
        terminal.progress.steps(Steps(done=1001, expected=1000))
        assert "about 1 min" not in terminal.drawn()


def test_a_step_inside_a_step_keeps_the_display(terminal: Screen) -> None:
    with terminal.progress.step("outer"):
        with terminal.progress.step("inner"):
            pass
        assert "outer" in terminal.drawn()


def test_an_error_ends_the_display(terminal: Screen) -> None:
    with pytest.raises(ValueError, match="broken"), terminal.progress.step("kernels"):
        raise ValueError("broken")
    assert terminal.progress._display is None


@pytest.mark.parametrize(
    ("ended", "running", "waiting", "jobs", "seconds"),
    [
        ({}, [("a", 5)], ["a"], 1, None),
        ({"a": [10, 20]}, [], ["a", "a"], 1, 30),
        ({"a": [10, 20]}, [], ["a", "a"], 2, 15),
        ({"a": [10]}, [("a", 4)], [], 2, 6),
        ({"a": [10]}, [("a", 40)], [], 2, 0),
        ({"a": [10], "b": [100]}, [], ["b"], 1, 100),
        ({"a": [10], "b": [100]}, [], ["c"], 1, 55),
        ({"a": [10], "b": [100]}, [("b", 0)], ["a"], 2, 100),
        ({"a": [10]}, [], [], 2, 0),
    ],
)
def test_estimate_of_trials(
    ended: dict[str, list[float]],
    running: list[tuple[str, float]],
    waiting: list[str],
    jobs: int,
    seconds: float | None,
) -> None:
    now = [Running(kind=kind, seconds=since) for kind, since in running]
    assert estimate.trials_seconds(ended, now, waiting, jobs) == seconds


@pytest.mark.parametrize(
    ("done", "expected", "seconds", "left"),
    [
        (100, None, 100, None),
        (5, 1000, 100, None),
        (100, 1000, 1, None),
        (100, 1000, 50, 450),
        (1000, 1000, 50, None),
        (1200, 1000, 50, None),
    ],
)
def test_estimate_of_a_build(
    done: int, expected: int | None, seconds: float, left: float | None
) -> None:
    assert estimate.build_seconds(done, expected, seconds) == left


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "under a minute"),
        (59, "under a minute"),
        (61, "about 1 min"),
        (420, "about 7 min"),
        (3 * 3600 + 600, "about 3 h 10 min"),
    ],
)
def test_an_estimate_in_words(seconds: float | None, text: str) -> None:
    assert estimate.in_words(seconds) == text
