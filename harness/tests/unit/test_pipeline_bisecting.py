# SPDX-License-Identifier: GPL-2.0-only
"""A row of kernels on captured output, and the patches of the real series as a row."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.model.reading import Reading, Source
from harness.pipeline import Bisection, BisectRequest, Progress, RunRequest, bisect
from harness.pipeline.bisecting import row, value
from harness.targets.recorded import RecordedTarget
from harness.targets.target import Ended, Payload
from harness.tests.unit.recorded_machine import machine, more_instructions, with_console

ROW = ("upstream,bpf_prog_pack,text-4k,execmem",)
METRIC = "insn.kernel{window=measured}"
PANIC = with_console("Kernel panic - not syncing: Fatal exception")


@dataclass
class ByKernel:
    """The captured trial; on the kernels in ``slow`` with more instructions, on those in
    ``broken`` a panic."""

    recorded: RecordedTarget
    slow: tuple[str, ...]
    broken: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()

    def run(self, payload: Payload) -> Ended:
        name = payload.spec.variant
        self.seen = (*self.seen, name)
        ended = self.recorded.run(payload)
        if name in self.broken:
            return PANIC(ended)
        return more_instructions(ended) if name in self.slow else ended


def bisected(captured: Path, out: Path, target: ByKernel, metric: str = METRIC) -> Bisection:
    request = RunRequest(suite="smoke", settings={"counters": "model"}, jobs=1, out=out)
    asked = BisectRequest(kernels=ROW, metric=metric, run=request)
    return bisect(asked, Progress(quiet=True), machine(target))


def test_the_first_bad_kernel_is_named(captured: Path, tmp_path: Path) -> None:
    target = ByKernel(RecordedTarget(folder=captured), slow=("text-4k", "execmem"))
    done = bisected(captured, tmp_path, target)
    assert done.found is not None
    assert done.found.suspects == (2,)
    assert done.lines[-1] == "moved by: text-4k"
    assert target.seen == ("upstream", "execmem", "bpf_prog_pack", "text-4k")


def test_it_goes_on_where_it_was(captured: Path, tmp_path: Path) -> None:
    slow = ("text-4k", "execmem")
    first = bisected(captured, tmp_path, ByKernel(RecordedTarget(folder=captured), slow=slow))
    again = ByKernel(RecordedTarget(folder=captured), slow=slow)
    assert bisected(captured, tmp_path, again) == first
    assert again.seen == ()
    other = bisected(captured, tmp_path, again, "insn.user{window=measured}")
    assert other.lines[-1].startswith("both ends read "), "another reading of the same runs"
    assert again.seen == ()


def test_a_kernel_that_cannot_be_tested_is_told_among_the_suspects(
    captured: Path, tmp_path: Path
) -> None:
    target = ByKernel(
        RecordedTarget(folder=captured), slow=("text-4k", "execmem"), broken=("text-4k",)
    )
    done = bisected(captured, tmp_path, target)
    assert done.found is not None
    assert done.found.suspects == (2, 3)
    assert done.lines[-1] == (
        "moved by one of these, of which others could not be tested: text-4k; execmem"
    )
    assert "panic: " in done.lines[2]


def test_equal_ends_are_no_change(captured: Path, tmp_path: Path) -> None:
    done = bisected(captured, tmp_path, ByKernel(RecordedTarget(folder=captured), slow=()))
    assert done.found is None
    assert done.lines[-1].startswith("both ends read ")


def test_an_end_that_cannot_be_tested_ends_it(captured: Path, tmp_path: Path) -> None:
    target = ByKernel(RecordedTarget(folder=captured), slow=(), broken=("upstream",))
    done = bisected(captured, tmp_path, target)
    assert done.found is None
    assert "an end cannot be tested: panic: " in done.lines[-1]


def test_a_metric_that_no_trial_has_names_some_that_it_has(captured: Path, tmp_path: Path) -> None:
    target = ByKernel(RecordedTarget(folder=captured), slow=("execmem",))
    with pytest.raises(UserError, match="no reading is it"):
        bisected(captured, tmp_path, target, "itlb.walk_completed_5k")
    with pytest.raises(UserError, match="several readings are it: for example tlb"):
        bisected(captured, tmp_path, target, "tlb.remote_flush")
    with pytest.raises(UserError, match=r"give it as NAME"):
        bisected(captured, tmp_path, target, "insn.kernel{measured}")


def test_the_value_of_a_reading_that_is_not_known_is_none() -> None:
    one = Reading(name="a.b", value=1, unit="event", source=Source.MODEL, labels={"at": "close"})
    assert value("a.b", [one]) == 1
    assert value('a.b{at="close"}', [one, replace(one, labels={"at": "open"}, value=2)]) == 1


def test_the_patches_of_the_series_are_a_row() -> None:
    steps = row(("bpf_prog_pack", "execmem"))
    assert len(steps) == 8
    assert steps[0].title.endswith("no patch")
    assert "Take programs and dispatchers from the dynamic" in steps[4].title
    assert len({step.identity for step in steps}) == 8


def test_a_kernel_that_was_built_again_at_the_same_place_is_another_one(tmp_path: Path) -> None:
    image = tmp_path / "bzImage"
    image.write_bytes(b"one")
    kernels = (f"a=upstream,b={image},c=execmem",)
    before = [step.identity for step in row(kernels)]
    image.write_bytes(b"two")
    after = [step.identity for step in row(kernels)]
    assert [x == y for x, y in zip(before, after, strict=True)] == [True, False, True]


@pytest.mark.parametrize(
    "kernels", [("execmem", "bpf_prog_pack"), ("upstream", "execmem"), ("execmem",), ("a", "b")]
)
def test_what_is_no_row(kernels: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="bisect "):
        row(kernels)
