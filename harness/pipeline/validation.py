# SPDX-License-Identifier: GPL-2.0-only
"""Loops whose counts are known, run in a real guest: does the model count them exactly?

Each loop runs in windows of its own, after warm rounds that bring the TLBs to the loop's
steady state. A window in which the kernel ran as well (a timer tick) proves nothing: the loop
is run again, and is called disturbed if there never was one without.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from harness.counters import itlb as reports
from harness.errors import InfrastructureError, UserError
from harness.guest.agent.address_spaces import NotKnown
from harness.image.compiled import build_program
from harness.itlb import known_answers
from harness.itlb import plugin as itlb
from harness.itlb.known_answers import Expected, Loop
from harness.itlb.reference import load_profile
from harness.pipeline import hardware, prepare, process_guest
from harness.pipeline.hardware import Hardware
from harness.pipeline.loop_guest import PROGRAM, ROUNDS, WARM, LoopGuest, Windows
from harness.pipeline.process_guest import ProcessCheck
from harness.pipeline.progress import Progress
from harness.scratch import scratch

SIZES = ("4k", "16k", "2m")
"""Page sizes of the loops; 1 GB pages would need a guest with as much memory."""
ATTEMPTS = 2
"""Windows of each loop in one boot."""
BOOTS = 4
"""Boots, at most, until each loop had a window to itself."""
LOOPS_A_BOOT = 15
"""With their attempts, as many windows as the plugin has."""


class Verdict(StrEnum):
    """What a loop showed."""

    EXACT = "exact"
    DIFFERS = "differs"
    DISTURBED = "disturbed"  # never alone in its window: neither right nor wrong


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Events in the window, as the model or as arithmetic has them."""

    lookups: int
    l1_hits: int
    stlb_hits: int
    walks: int


@dataclass(frozen=True, kw_only=True)
class Check:
    """One loop on one profile. ``counted`` is None when it was always disturbed."""

    profile: str
    pti: str
    page_size: str
    pages: int
    stride: int  # pages
    edge: str
    source: str  # what the expected counts follow from: "geometry" or "reference"
    expected: Counts
    counted: Counts | None

    @property
    def verdict(self) -> Verdict:
        if self.counted is None:
            return Verdict.DISTURBED
        return Verdict.EXACT if self.counted == self.expected else Verdict.DIFFERS


@dataclass(frozen=True, kw_only=True)
class Validation:
    """All loops, and what the hardware's counters said of them or why they could not."""

    kernel: str
    checks: tuple[Check, ...]
    hardware: Hardware
    processes: tuple[ProcessCheck, ...] = ()
    processes_note: str = ""  # why there are none

    @property
    def ok(self) -> bool:
        return all(check.verdict is Verdict.EXACT for check in self.checks) and all(
            check.exact for check in self.processes
        )


def profile_names(text: str) -> tuple[str, ...]:
    """``all`` or a comma-separated list. Raises UserError for a profile that is not there."""
    names = tuple(itlb.profiles()) if text == "all" else tuple(text.split(","))
    for name in names:
        itlb.profile_path(name)
    return names


def steady(geometry: dict[str, object], loop: Loop) -> Expected:
    """Counts of the rounds in the window: those of all rounds less those of the warm ones."""
    addresses = loop.addresses()
    every_round = known_answers.expected(geometry, addresses, loop.page_size, WARM + ROUNDS)
    warm = known_answers.expected(geometry, addresses, loop.page_size, WARM)
    return Expected(
        lookups=every_round.lookups - warm.lookups,
        l1_hits=every_round.l1_hits - warm.l1_hits,
        stlb_hits=every_round.stlb_hits - warm.stlb_hits,
        walks=every_round.walks - warm.walks,
        source=every_round.source,
    )


def undisturbed(report: reports.Report, windows: Windows) -> dict[Loop, Counts]:
    """The counts of each loop's first window in which the kernel did not run."""
    counts: dict[Loop, Counts] = {}
    by_id = {window.id: window for window in report.windows}
    for number, loop in sorted(windows.items()):
        if number not in by_id:
            raise InfrastructureError(f"the model saw no window {number}", "report this")
        window = by_id[number]
        if loop in counts or any(vcpu.insns_kernel for vcpu in window.vcpus):
            continue
        counts[loop] = Counts(
            lookups=sum(vcpu.lookups for vcpu in window.vcpus),
            l1_hits=sum(vcpu.l1_hits for vcpu in window.vcpus),
            stlb_hits=window.totals.stlb_hits,
            walks=window.totals.walks,
        )
    return counts


def validate(
    kernel: str | None, profiles: str, pti: Sequence[str], progress: Progress
) -> Validation:
    """Run every loop of every profile with each of ``pti`` ("on", "off").

    Raises UserError unless one kernel is named, InfrastructureError when a guest fails.
    """
    names = profile_names(profiles)
    program, process_program = build_program(PROGRAM), build_program(process_guest.PROGRAM)
    made = prepare.kernels(kernel or "bpf_prog_pack", progress, bench=False).kernels
    if len(made) != 1:
        raise UserError("the loops run in one kernel", "name one with --kernel")
    plugin = itlb.build_plugin()
    offset, note = _contexts(made[0].image)
    checks: list[Check] = []
    processes: list[ProcessCheck] = []
    asked = Hardware(note="")
    with scratch() as folder:
        for name in names:
            for setting in pti:
                guest = LoopGuest(
                    image=made[0].image,
                    plugin=plugin.path,
                    program=program,
                    profile=name,
                    pti=setting,
                )
                with progress.step(f"{name}, pti={setting}"):
                    checks += _of_profile(guest, folder)
                    if offset is not None:
                        several = replace(
                            guest, program=process_program, source=process_guest.PROGRAM
                        )
                        processes += process_guest.check(several, offset, folder)
        with progress.step("hardware counters"):
            asked = _under_perf(guest, names, folder)
    return Validation(
        kernel=made[0].name,
        checks=tuple(checks),
        hardware=asked,
        processes=tuple(processes),
        processes_note=note,
    )


def _contexts(image: Path) -> tuple[int | None, str]:
    """Where the kernel's contexts are, or why that is not known."""
    try:
        return process_guest.contexts_offset(image), ""
    except NotKnown as error:
        return None, str(error)


def _loops(profile: str) -> list[Loop]:
    """Those that a guest, whose TLBs are never empty, can run."""
    loops = known_answers.loops(profile)
    return [loop for loop in loops if loop.page_size in SIZES and not loop.from_empty]


def _of_profile(guest: LoopGuest, work: Path) -> list[Check]:
    loops = _loops(guest.profile)
    counted: dict[Loop, Counts] = {}
    for boot_number in range(BOOTS):
        todo = [loop for loop in loops if loop not in counted]
        # Another order each time: a loop that a tick always hits comes at another moment.
        todo = todo[boot_number:] + todo[:boot_number]
        for batch in _batches(todo):
            windows = dict(enumerate(batch * ATTEMPTS, 1))
            counted |= undisturbed(guest.run(windows, work), windows)
    known = _known(guest.profile, loops)
    return [
        Check(
            profile=guest.profile,
            pti=guest.pti,
            page_size=loop.page_size,
            pages=loop.pages,
            stride=loop.stride,
            edge=loop.edge,
            source=known[loop].source,
            expected=Counts(
                lookups=known[loop].lookups,
                l1_hits=known[loop].l1_hits,
                stlb_hits=known[loop].stlb_hits,
                walks=known[loop].walks,
            ),
            counted=counted.get(loop),
        )
        for loop in loops
    ]


def _batches(loops: list[Loop]) -> list[list[Loop]]:
    return [loops[at : at + LOOPS_A_BOOT] for at in range(0, len(loops), LOOPS_A_BOOT)]


def _known(profile: str, loops: Sequence[Loop]) -> Mapping[Loop, Expected]:
    geometry = load_profile(itlb.profile_path(profile))
    return {loop: steady(geometry, loop) for loop in loops}


def _under_perf(guest: LoopGuest, profiles: Sequence[str], work: Path) -> Hardware:
    """The loops of the first profile under perf: name this machine's CPU first."""
    loops = _loops(profiles[0])
    walks = {loop: known.walks for loop, known in _known(profiles[0], loops).items()}
    batches = [dict(enumerate(batch, 1)) for batch in _batches(loops)]
    return hardware.measure(guest, batches, walks, work)
