# SPDX-License-Identifier: GPL-2.0-only
"""Loops whose counts are known, run in a real guest: does the model count them exactly?

Each loop runs in windows of its own, after warm rounds that bring the TLBs to the loop's
steady state. A window in which the kernel ran as well (a timer tick) proves nothing: the loop
is run again, and is called disturbed if there never was one without.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.counters import itlb as reports
from harness.errors import InfrastructureError, UserError
from harness.image import cpio
from harness.image.programs import build_program
from harness.itlb import build as itlb
from harness.itlb import known_answers
from harness.itlb.known_answers import Expected, Loop
from harness.itlb.reference import load_profile
from harness.model import Mode
from harness.pipeline import prepare
from harness.pipeline.progress import Progress
from harness.vm.accel import probe_kvm
from harness.vm.argv import VmRequest
from harness.vm.session import boot

PROGRAM = Path(itlb.__file__).parent / "guest" / "page_loops.c"
SIZES = ("4k", "2m")
"""Page sizes of the loops; 1 GB pages would need a guest with as much memory."""
WARM = 20
"""Rounds before the window: more than any profile needs to come to a steady state."""
ROUNDS = 10
ATTEMPTS = 2
"""Windows of each loop in one boot."""
BOOTS = 4
"""Boots, at most, until each loop had a window to itself."""
LOOPS_A_BOOT = 15
"""With their attempts, as many windows as the plugin has."""
MEMORY_MIB = 768
TIMEOUT_S = 600.0


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
    hardware: str

    @property
    def ok(self) -> bool:
        return all(check.verdict is Verdict.EXACT for check in self.checks)


def profile_names(text: str) -> tuple[str, ...]:
    """``all`` or a comma-separated list. Raises UserError for a profile that is not there."""
    names = tuple(itlb.profiles()) if text == "all" else tuple(text.split(","))
    for name in names:
        itlb.profile_path(name)
    return names


def loops_file(windows: Mapping[int, Loop]) -> bytes:
    """What the guest's program reads: a line for each window, see ``page_loops.c``."""
    return "".join(
        f"{window} {loop.page_size} {loop.pages} {loop.stride} {WARM} {ROUNDS} "
        f"{known_answers.BASE:x}\n"
        for window, loop in sorted(windows.items())
    ).encode()


def steady(geometry: dict[str, object], loop: Loop) -> Expected:
    """Counts of the rounds in the window: those of all rounds less those of the warm ones."""
    addresses = loop.addresses()
    whole = known_answers.expected(geometry, addresses, loop.page_size, WARM + ROUNDS)
    warm = known_answers.expected(geometry, addresses, loop.page_size, WARM)
    return Expected(
        lookups=whole.lookups - warm.lookups,
        l1_hits=whole.l1_hits - warm.l1_hits,
        stlb_hits=whole.stlb_hits - warm.stlb_hits,
        walks_4k=whole.walks_4k - warm.walks_4k,
        walks_2m=whole.walks_2m - warm.walks_2m,
        walks_1g=whole.walks_1g - warm.walks_1g,
        source=whole.source,
    )


def undisturbed(report: reports.Report, windows: Mapping[int, Loop]) -> dict[Loop, Counts]:
    """The counts of each loop's first window in which the kernel did not run."""
    found: dict[Loop, Counts] = {}
    by_id = {window.id: window for window in report.windows}
    for number, loop in sorted(windows.items()):
        if number not in by_id:
            raise InfrastructureError(f"the model saw no window {number}", "report this")
        window = by_id[number]
        if loop in found or any(vcpu.insns_kernel for vcpu in window.vcpus):
            continue
        found[loop] = Counts(
            lookups=sum(vcpu.lookups for vcpu in window.vcpus),
            l1_hits=sum(vcpu.l1_hits for vcpu in window.vcpus),
            stlb_hits=window.totals.stlb_hits,
            walks=window.totals.walks,
        )
    return found


def validate(
    kernel: str | None, profiles: str, pti: Sequence[str], progress: Progress
) -> Validation:
    """Run every loop of every profile with each of ``pti`` ("on", "off").

    Raises UserError unless one kernel is named, InfrastructureError when a guest fails.
    """
    names = profile_names(profiles)
    program = build_program(PROGRAM)
    made = prepare.kernels(kernel or "bpf_prog_pack", progress, bench=False).kernels
    if len(made) != 1:
        raise UserError("the loops run in one kernel", "name one with --kernel")
    plugin = itlb.build_plugin()
    checks: list[Check] = []
    for name in names:
        for setting in pti:
            with (
                progress.step(f"{name}, pti={setting}"),
                tempfile.TemporaryDirectory(prefix="execmem-bench-", dir="/var/tmp") as folder,
            ):
                guest = _Guest(
                    image=made[0].image,
                    plugin=plugin.path,
                    program=program,
                    profile=name,
                    pti=setting,
                    work=Path(folder),
                )
                checks += _of_profile(guest)
    return Validation(kernel=made[0].name, checks=tuple(checks), hardware=_hardware())


@dataclass(frozen=True, kw_only=True)
class _Guest:
    image: Path
    plugin: Path
    program: Path
    profile: str
    pti: str
    work: Path


def _of_profile(guest: _Guest) -> Iterator[Check]:
    geometry = load_profile(itlb.profile_path(guest.profile))
    loops = [loop for loop in known_answers.loops(guest.profile) if loop.page_size in SIZES]
    counted: dict[Loop, Counts] = {}
    for boot_number in range(BOOTS):
        todo = [loop for loop in loops if loop not in counted]
        # Another order each time: a loop that a tick always hits comes at another moment.
        todo = todo[boot_number:] + todo[:boot_number]
        for first in range(0, len(todo), LOOPS_A_BOOT):
            batch = todo[first : first + LOOPS_A_BOOT]
            windows = dict(enumerate(batch * ATTEMPTS, 1))
            counted |= undisturbed(_run(guest, windows), windows)
    for loop in loops:
        known = steady(geometry, loop)
        yield Check(
            profile=guest.profile,
            pti=guest.pti,
            page_size=loop.page_size,
            pages=loop.pages,
            stride=loop.stride,
            edge=loop.edge,
            source=known.source,
            expected=Counts(
                lookups=known.lookups,
                l1_hits=known.l1_hits,
                stlb_hits=known.stlb_hits,
                walks=known.walks,
            ),
            counted=counted.get(loop),
        )


def _run(guest: _Guest, windows: Mapping[int, Loop]) -> reports.Report:
    work = guest.work
    with (work / "initrd").open("wb") as out:
        init = cpio.Entry(name="init", mode=0o100755, source=guest.program)
        loops = cpio.regular("loops", loops_file(windows))
        cpio.write([init, cpio.directory("proc"), loops], out)
    report = work / "itlb.json"
    report.unlink(missing_ok=True)
    ended = boot(
        VmRequest(
            kernel=guest.image,
            initrd=work / "initrd",
            mode=Mode.EXACT,
            smp=1,
            memory_mib=MEMORY_MIB,
            seed=1,
            pti=guest.pti,
            console=work / "console.log",
            channel=work / "channel.out",
            plugin=itlb.plugin_option(
                guest.plugin, report, itlb.profile_path(guest.profile), "tagged", guest.pti
            ),
        ),
        timeout_s=TIMEOUT_S,
    )
    console = (work / "console.log").read_text(errors="replace")
    if "page_loops: done" not in console or not report.exists():
        said = next((x for x in console.splitlines() if x.startswith("page_loops:")), "")
        last = (ended.stderr.strip() or console.strip()).splitlines()[-1:]
        raise InfrastructureError(
            f"the loops did not run on {guest.profile}: {said or ' '.join(last)}",
            "try `execmem-bench shell` with this kernel",
        )
    return reports.decode(report.read_bytes())


def _hardware() -> str:
    """Whether the processor's own counters could be asked, and why not."""
    kvm = probe_kvm()
    if not kvm.works:
        return f"not supported: {kvm.reason}"
    return "not compared: counting the loops under perf in a KVM guest is not built yet"
