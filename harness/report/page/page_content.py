# SPDX-License-Identifier: GPL-2.0-only
"""What is on the page: the answers first, then pictures with their figures, then all readings,
then where it all comes from. Pure: the same runs give the same content."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.analysis.comparison import Block, Comparison
from harness.model.records import Manifest
from harness.report import answer, terminal, wording
from harness.report.named import NamedTable, named_table
from harness.report.page.pictures import Figures, Picture, pictures, together
from harness.report.tables import TextTable, table
from harness.report.verdict_table import VerdictTable, verdict_table


@dataclass(frozen=True, kw_only=True)
class Question:
    """An answer with its pictures."""

    anchor: str
    answer: answer.Answer
    groups: tuple[tuple[str, int], ...]  # isolation setting, how many columns it has
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, kw_only=True)
class Everything:
    """All readings of one table of the comparison."""

    table: TextTable
    verdicts: VerdictTable | None
    named: NamedTable | None


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page."""

    title: str
    runs: tuple[str, ...]
    created: str
    builds: tuple[str, ...]
    baseline: str
    legend: tuple[str, ...]
    questions: tuple[Question, ...]
    pictures: tuple[Picture, ...]  # of several questions together
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    everything: tuple[Everything, ...]
    table_legend: tuple[str, ...]
    provenance: tuple[tuple[str, Figures], ...]


def page(comparison: Comparison, questions: Mapping[str, str]) -> Page:
    """The page of ``comparison``; ``questions`` by workload."""
    answers = answer.answers(comparison, questions)
    others = [build for build in comparison.builds if build != comparison.baseline]
    return Page(
        title=f"{', '.join(others) or comparison.baseline}"
        + (f" against {comparison.baseline}" if others else ""),
        runs=comparison.runs,
        created=", ".join(dict.fromkeys(m.created[:10] for m in comparison.manifests)),
        builds=comparison.builds,
        baseline=comparison.baseline,
        legend=answer.legend(answers),
        questions=tuple(
            Question(
                anchor=f"question-{number}",
                answer=one,
                groups=_groups(one),
                pictures=tuple(pictures(_blocks(one, comparison), comparison)),
            )
            for number, one in enumerate(answers, 1)
        ),
        pictures=tuple(together(comparison)),
        notes=comparison.notes,
        problems=comparison.problems,
        everything=tuple(
            Everything(
                table=table(block),
                verdicts=verdict_table(block.verdicts, block.baseline) if block.verdicts else None,
                named=named_table(block),
            )
            for block in comparison.blocks
        ),
        table_legend=terminal.legend(comparison),
        provenance=tuple(_provenance(comparison.manifests)),
    )


def _groups(one: answer.Answer) -> tuple[tuple[str, int], ...]:
    counts: dict[str, int] = {}
    for column in one.columns:
        counts[column.pti] = counts.get(column.pti, 0) + 1
    return tuple(counts.items())


def _blocks(one: answer.Answer, comparison: Comparison) -> list[Block]:
    """The tables that ``one`` was made of."""
    return [
        block
        for block in comparison.blocks
        if block.settings.workload == one.workload
        and wording.settings_line(block.settings, without=("pti",)) == one.settings
        and wording.params_line(block.settings) == one.params
    ]


def _provenance(manifests: Sequence[Manifest]) -> Iterator[tuple[str, Figures]]:
    for manifest in manifests:
        # A column for what only some variants have.
        boots = any(kernel.boot for kernel in manifest.kernels)
        yield (
            f"Kernels of {manifest.run}",
            Figures(
                columns=(
                    *("kernel", "release", "compiler", "image", "configuration", "series"),
                    *(["booted with"] if boots else []),
                ),
                rows=tuple(
                    (
                        kernel.name,
                        kernel.release or "not known",
                        kernel.compiler or "not known",
                        *(_hash(h) for h in (kernel.image_sha256, kernel.config_sha256)),
                        _hash(kernel.series_sha256),
                        *([" ".join(kernel.boot)] if boots else []),
                    )
                    for kernel in manifest.kernels
                ),
                words=7,
            ),
        )
        yield (
            f"Everything else of {manifest.run}",
            Figures(columns=("what", "value"), rows=tuple(_inputs(manifest)), words=2),
        )


def _hash(text: str) -> str:
    return text[:12] or "none"


def _inputs(manifest: Manifest) -> Iterator[tuple[str, str]]:
    yield "created", manifest.created
    yield "suite", manifest.suite
    yield "program", f"{manifest.program_version} {manifest.program_commit}".strip()
    yield "QEMU", manifest.qemu_version
    yield "counters", manifest.counters_reason
    hashes = {
        "model's plugin": manifest.plugin_sha256,
        "CPU profile": manifest.profile_sha256,
        "bench": manifest.bench_sha256,
        **{f"guest image, {name}": value for name, value in manifest.image_sha256.items()},
        **{f"workload {name}": value for name, value in manifest.workload_sha256.items()},
    }
    yield from ((name, _hash(value)) for name, value in hashes.items())
    yield from ((f"host, {name}", value) for name, value in manifest.host.items())
    yield "command", " ".join(manifest.command)
