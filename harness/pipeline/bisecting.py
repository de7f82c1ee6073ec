# SPDX-License-Identifier: GPL-2.0-only
"""Which patch of a series, or which kernel of a row, moved a reading."""

import os
import re
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from harness.analysis.bisection import Answer, Found, between, judge, near, next_step, result
from harness.cache import sha256_bytes, sha256_file
from harness.config import definitions
from harness.errors import BenchError, UserError
from harness.kernel import KernelRequest, build_kernel, naming, patch_series
from harness.model.reading import Reading
from harness.model.specs import VariantSpec
from harness.paths import CONFIGS, PROJECT, cache_dir
from harness.pipeline.machine import Machine
from harness.pipeline.planning import RunRequest
from harness.pipeline.progress import Progress
from harness.pipeline.run import run
from harness.report import wording
from harness.store import folder_errors, load_run, provenance

_METRIC = re.compile(r"([^{}]+)(?:\{([^{}]*)\})?")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One kernel of the row. ``kernel`` makes it ready and gives it as KERNEL= takes it."""

    title: str
    identity: str  # changes where the kernel does
    kernel: Callable[[Progress], str]


@dataclass(frozen=True, kw_only=True)
class BisectRequest:
    """``kernels``: two variants, the patches of the first being the first of the second's; or
    three kernels or more as KERNEL= takes them, in order. ``run`` says what is run on each."""

    kernels: Sequence[str]
    metric: str  # a reading's name, with {label=value,...} where there are several
    run: RunRequest


class Kept(msgspec.Struct, frozen=True):
    """What is kept of a step that was tested: its run, or why it could not be built."""

    run: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Tested:
    """What a step reads. ``value`` is None where that is not known; ``why`` says so."""

    value: float | None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Bisection:
    """What came of it. ``found`` is None where the ends do not differ as they must; ``problem``
    says why."""

    titles: tuple[str, ...]
    tested: dict[int, Tested] = field(default_factory=dict)
    found: Found | None = None
    problem: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """What came of it, in words."""
        return tuple(self._lines())

    def _lines(self) -> Iterator[str]:
        for step in sorted(self.tested):
            one = self.tested[step]
            read = one.why if one.value is None else wording.number(one.value)
            yield f"{step}: {self.titles[step]}: {read}"
        if self.found is None:
            yield self.problem
            return
        suspects = [self.titles[step] for step in self.found.suspects]
        head = "moved by" if len(suspects) == 1 else "moved by one of these, of which others could"
        tail = "" if len(suspects) == 1 else " not be tested"
        yield f"{head}{tail}: {'; '.join(suspects)}"


def bisect(request: BisectRequest, progress: Progress, machine: Machine | None = None) -> Bisection:
    """Test as few kernels as it takes. What was tested before is taken from the folder of runs.

    Raises UserError for kernels that are no row and for a metric that no trial has, and what
    makes a whole run impossible.
    """
    steps = row(request.kernels)
    state = _State(request, steps)
    known: dict[int, Answer] = {}
    ends: dict[int, float] = {}
    last = len(steps) - 1
    while (step := next_step(last, known)) is not None:
        kept = state.kept.get(step) or _run(request, steps[step], progress, machine)
        state.keep(step, kept)
        tested = state.tested[step] = _read(request, kept)
        if step in (0, last):
            if tested.value is None:
                return state.outcome(problem=f"an end cannot be tested: {tested.why}")
            ends[step] = tested.value
            known[step] = Answer.GOOD if step == 0 else Answer.BAD
            if len(ends) == 2 and ends[0] == ends[last]:
                return state.outcome(problem=f"both ends read {wording.number(ends[0])}")
            if len(ends) == 2 and near(ends[0], ends[last]):
                progress.say(
                    "the ends differ by less than a quarter: layout alone could do it; more "
                    "seeds (--seeds) tell"
                )
            continue
        if tested.value is None:
            known[step] = Answer.UNTESTABLE
        else:
            known[step] = judge(tested.value, ends[0], ends[last])
            if between(tested.value, ends[0], ends[last]):
                progress.say(
                    f"{steps[step].title}: {wording.number(tested.value)} is like neither end: "
                    f"taken as {known[step]}, to which it is nearer"
                )
        progress.say(f"step {step} of {last}, {steps[step].title}: {known[step]}")
    return state.outcome(found=result(last, known))


class _State:
    """What was tested, kept beside the runs after each step."""

    def __init__(self, request: BisectRequest, steps: Sequence[Step]) -> None:
        asked = replace(request.run, jobs=None)
        made_by = provenance.git_describe(PROJECT)
        key = repr(([step.identity for step in steps], asked, made_by))
        self._steps = steps
        self._path = request.run.out / f"bisect-{sha256_bytes(key.encode())[:12]}.json"
        self.tested: dict[int, Tested] = {}
        self.kept: dict[int, Kept] = {}
        if self._path.is_file():
            try:
                data = self._path.read_bytes()
                self.kept = msgspec.json.decode(data, type=dict[int, Kept])
            except msgspec.DecodeError as error:
                raise UserError(f"{self._path}: {error}", "remove the file") from error

    def keep(self, step: int, kept: Kept) -> None:
        self.kept[step] = kept
        with folder_errors(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial = self._path.with_suffix(f".{os.getpid()}")
            partial.write_bytes(msgspec.json.encode(self.kept))
            partial.replace(self._path)

    def outcome(self, found: Found | None = None, problem: str = "") -> Bisection:
        return Bisection(
            titles=tuple(step.title for step in self._steps),
            tested=dict(self.tested),
            found=found,
            problem=problem,
        )


def _run(request: BisectRequest, step: Step, progress: Progress, machine: Machine | None) -> Kept:
    """Run a step. One that does not build is untestable; other errors end it all."""
    progress.say(f"testing {step.title}")
    try:
        kernel = step.kernel(progress)
    except UserError:
        raise
    except BenchError as error:
        return Kept(run="", why=str(error).splitlines()[0])
    outcome = run(replace(request.run, kernels=kernel), progress, machine)
    if outcome.interrupted:
        raise KeyboardInterrupt
    return Kept(run=outcome.path.name)


def _read(request: BisectRequest, kept: Kept) -> Tested:
    """What the run of a step says: the median over its trials."""
    if not kept.run:
        return Tested(value=None, why=kept.why)
    records = load_run(request.run.out / kept.run).records
    bad = next((r.failure for r in records if r.failure is not None), None)
    if bad is not None:
        return Tested(value=None, why=f"{bad.kind}: {bad.message}")
    values = [value(request.metric, record.readings) for record in records]
    known = [one for one in values if one is not None]
    if len(known) < len(values) or not known:
        return Tested(value=None, why=f"{request.metric} is not known")
    return Tested(value=statistics.median(known))


def value(metric: str, readings: Sequence[Reading]) -> float | None:
    """The value of the one reading that ``metric`` names; None where it is not known.

    Raises UserError where none or several have that name.
    """
    match = _METRIC.fullmatch(metric.strip())
    pairs = [part.partition("=") for part in (match[2] or "").split(",") if part] if match else []
    if match is None or not all(name and equals for name, equals, _ in pairs):
        raise UserError(f"--metric {metric!r}", "give it as NAME or NAME{label=value,...}")
    labels = {name.strip(): word.strip().strip('"') for name, _, word in pairs}
    named = [r for r in readings if r.name == match[1].strip()]
    chosen = [r for r in named if r.labels.items() >= labels.items()]
    if len(chosen) == 1:
        return chosen[0].value
    shown = [f"{r.name}{{{','.join(f'{k}={v}' for k, v in r.labels.items())}}}" for r in named]
    some = "; ".join(shown[:6]) or ", ".join(sorted({r.name for r in readings})[:12])
    what = "several readings are" if chosen else "no reading is"
    raise UserError(f"--metric {metric}: {what} it", f"for example {some}")


def row(kernels: Sequence[str]) -> tuple[Step, ...]:
    """The steps from good to bad. Raises UserError for what is no row."""
    words = [word for text in kernels for word in naming.parse(text)]
    if len(words) >= 3:
        return tuple(_given(word) for word in words)
    variants = definitions.variants()
    if len(words) != 2 or any(word.value not in variants for word in words):
        raise UserError(
            f"bisect {' '.join(kernels)}",
            "give two variants, or three kernels or more in order from good to bad",
        )
    good, bad = (variants[word.value] for word in words)
    patches = patch_series.load(bad.series, CONFIGS / "patches")
    first = patch_series.load(good.series, CONFIGS / "patches")
    if good.base != bad.base or patches[: len(first)] != first or len(patches) <= len(first):
        raise UserError(
            f"bisect {good.name} {bad.name}: the patches of {bad.name} do not begin with those of "
            f"{good.name}",
            "name the variant without patches as the good one",
        )
    return tuple(_patched(bad, patches, count) for count in range(len(first), len(patches) + 1))


def _given(word: naming.Word) -> Step:
    text = f"{word.name}={word.value}" if word.name else word.value
    return Step(title=text, identity=f"{text} {_content(word.value)}", kernel=lambda _: text)


def _content(value: str) -> str:
    """What changes where the kernel at a path does; "" for a variant."""
    path = Path(value).expanduser()
    image = path / "arch/x86/boot/bzImage" if path.is_dir() else path
    return sha256_file(image) if image.is_file() else ""


def _patched(variant: VariantSpec, patches: Sequence[patch_series.Patch], count: int) -> Step:
    """The variant with the first ``count`` of its patches."""
    name = f"{variant.name}-{count}of{len(patches)}"
    spec = replace(variant, name=name, patches=count)
    subject = patches[count - 1].subject if count else "no patch"

    def make(progress: Progress) -> str:
        request = KernelRequest(
            variant=spec,
            configs=CONFIGS,
            cache=cache_dir(),
            jobs=os.cpu_count() or 1,
            source=os.environ.get("KERNEL_SRC") or None,
        )
        with progress.step(f"kernel {name}"):
            built = build_kernel(request, progress.say, progress.detail, progress.steps)
        return f"{name}={built.image}"

    identity = " ".join(patch.sha256 for patch in patches[:count])
    return Step(title=f"patch {count} of {len(patches)}, {subject}", identity=identity, kernel=make)
