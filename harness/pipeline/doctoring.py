# SPDX-License-Identifier: GPL-2.0-only
"""What this machine can be asked to measure, on a terminal or as JSON."""

import json
from collections.abc import Iterator

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.doctor import (
    Diagnosis,
    Facts,
    Finding,
    HostFacts,
    Level,
    Recorder,
    Use,
    diagnose,
    tune,
    undo,
    wanted,
)
from harness.errors import BenchError, PrerequisiteError
from harness.itlb.plugin import QEMU
from harness.model.trial_settings import Counters, Mode
from harness.pipeline.choose import Choice, choose, uses
from harness.report import consoles
from harness.store import provenance
from harness.targets.qemu.accel import Accelerator

STYLES = {Level.OK: "green", Level.NOTE: "yellow", Level.WRONG: "red", Level.UNKNOWN: "magenta"}
TITLES = {
    Use.BUILD: "build kernels",
    Use.EXACT: "exact mode, the model",
    Use.FAST: "fast mode, the model",
    Use.KVM: "guests under KVM",
    Use.PERF: "hardware counters in guests",
    Use.HOST: "guests counted from the host",
    Use.LOCAL: "the running kernel, KERNEL=local",
}


def qemu_version() -> str | None:
    """QEMU's first line; None where it is not there or says nothing."""
    try:
        return provenance.tool_version(QEMU)
    except BenchError:
        return None


def needed(counters: Counters, mode: Mode | None) -> frozenset[Use]:
    """What has to work for what is asked; ``auto`` needs what is always there: exact mode."""
    if counters is Counters.AUTO and mode is None:
        return frozenset({Use.EXACT})
    return uses(counters, mode) or frozenset({Use((mode or Mode.EXACT).value)})


def chosen(found: Diagnosis) -> Choice:
    """What ``--counters auto`` is here. A guest's own check of its PMU is still to come."""
    why = found.why_not(Use.KVM, Use.PERF)
    verdict = Accelerator(works=not why, reason=why or "KVM runs guests and there is a PMU")
    return choose(Counters.AUTO, None, Mode.EXACT, verdict)


def doctor(
    counters: Counters,
    mode: Mode | None,
    *,
    as_json: bool,
    facts: bool,
    machine: Facts | None = None,
) -> None:
    """Print what was found on ``machine`` (None: this one), or with ``facts`` what was read.

    Raises PrerequisiteError where what is asked for cannot run here.
    """
    recorder = Recorder(of=machine or HostFacts())
    found = diagnose(recorder, qemu=qemu_version())
    if facts:
        print(json.dumps(msgspec.to_builtins(recorder.recorded()), indent=1, sort_keys=True))
        return
    if as_json:
        print(json.dumps(document(found), indent=2))
    else:
        show(found, consoles.output())
    asked = needed(counters, mode)
    why = found.why_not(*asked)
    if why:
        what = " and ".join(TITLES[use] for use in Use if use in asked)
        raise PrerequisiteError(f"this machine cannot: {what}: {why}", _first_fix(found, asked))


def _first_fix(found: Diagnosis, asked: frozenset[Use]) -> str:
    return next((one.fix for one in found.against(*asked) if one.fix), "")


def tuning(*, back: bool, dry_run: bool) -> None:
    """Set what ``doctor`` has a command for and can be put back, or put it ``back``.

    Raises what ``tune`` and ``undo`` raise.
    """
    if back:
        changed = undo()
    else:
        values = wanted(diagnose(qemu=None, probe=_not_asked).findings)
        changed = () if dry_run else tune(values)
        if dry_run:
            for path, value in values.items():
                print(f"would set {path} to {value}")
    for one in changed:
        print(f"{one.path}: {one.before} -> {one.now}")
    if not back and not dry_run:
        print("put back: execmem-bench tune --undo" if changed else "nothing to set")


def _not_asked() -> Accelerator:
    return Accelerator(works=True, reason="not asked")


def document(found: Diagnosis) -> dict[str, object]:
    """The findings as JSON has them, with what they leave possible and what auto would take."""
    auto = chosen(found)
    return {
        "findings": [
            {**msgspec.to_builtins(one), "needed_by": sorted(use.value for use in one.needed_by)}
            for one in found.findings
        ],
        "uses": {
            use.value: {"can": not found.against(use), "why_not": found.why_not(use)} for use in Use
        },
        "auto": {"counters": auto.counters.value, "mode": auto.mode.value, "reason": auto.reason},
    }


def show(found: Diagnosis, console: Console) -> None:
    """Print the findings by area, then what they leave possible."""
    for area in dict.fromkeys(one.area for one in found.findings):
        here = [one for one in found.findings if one.area is area]
        console.print(Text(area.value, style="bold"))
        console.print(_table(here))
        for one in here:
            if one.level in (Level.NOTE, Level.WRONG):
                if one.detail:
                    console.print(Text(f"  {one.title}, last words: {one.detail}"))
                console.print(Text(f"  {one.title}: {one.why}.", style="dim"))
                if one.fix:
                    console.print(Text(f"    mend: {one.fix}"))
        console.print()
    for use in Use:
        why = found.why_not(use)
        style = "red" if why else "green"
        console.print(Text(f"{TITLES[use]}: {f'no: {why}' if why else 'yes'}", style=style))
    console.print(Text(f"--counters auto takes {_auto(found)}", style="bold"))


def _auto(found: Diagnosis) -> str:
    auto = chosen(found)
    if auto.counters is Counters.MODEL:
        return f"{auto.reason}; --mode {auto.mode}"
    return f"perf in a guest under KVM, if its own check finds that its PMU counts ({auto.reason})"


def _table(findings: list[Finding]) -> Table:
    grid = Table(
        box=None, show_header=True, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0)
    )
    for head in ("", "", "found", "wanted"):
        grid.add_column(head, overflow="fold")
    for row in _rows(findings):
        grid.add_row(*row)
    return grid


def _rows(findings: list[Finding]) -> Iterator[tuple[Text, Text, Text, Text]]:
    for one in findings:
        yield (
            Text(f"  {one.level.value}", style=STYLES[one.level]),
            Text(one.title),
            Text(one.found),
            Text(one.wanted),
        )
