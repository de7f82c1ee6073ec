# SPDX-License-Identifier: GPL-2.0-only
"""The comparison as Markdown (tables as GitHub and GitLab render them)."""

import re
from collections.abc import Iterator

from harness.analysis.compare import Block, Comparison
from harness.report.summary import sentences
from harness.report.tables import Line, table
from harness.report.terminal import legend
from harness.report.verdicts import VerdictTable, verdict_table


def render(comparison: Comparison) -> str:
    """``comparison`` as a Markdown document."""
    text = "\n".join(_document(comparison))
    return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"


def _document(comparison: Comparison) -> Iterator[str]:
    builds = [b + (" (baseline)" if b == comparison.baseline else "") for b in comparison.builds]
    yield f"# {escape(', '.join(builds))}"
    yield ""
    yield f"Runs: {', '.join(f'`{run}`' for run in comparison.runs)}"
    yield ""
    yield from _list("What was found", sentences(comparison))
    for block in comparison.blocks:
        yield ""
        yield from _block(block)
    yield ""
    yield from _list("How to read it", legend(comparison))
    yield from _list("Notes", comparison.notes)
    yield from _list("Problems", comparison.problems)


def _block(block: Block) -> Iterator[str]:
    shown = table(block, full=True)
    yield f"## {escape(shown.title)}, pti={block.settings.pti}"
    yield ""
    yield f"Settings: `{shown.settings}`  "
    yield f"Parameters: `{shown.params}`"
    yield ""
    yield (
        "| reading | unit | "
        + " | ".join(
            f"{escape(build)}<br>{escape(seeds)}"
            for build, seeds in zip(shown.columns, shown.seeds, strict=True)
        )
        + " |"
    )
    yield "|:---|:---|" + "---:|" * len(shown.columns)
    for line in shown.lines:
        yield _line(line, len(shown.columns))
    yield ""
    if block.verdicts is not None:
        yield from _verdicts(verdict_table(block.verdicts, block.baseline, full=True))
    yield from _list("Failed trials", shown.failures)
    yield from _list("Footnotes", shown.footnotes)
    yield from _list("Notes", shown.notes)


def _verdicts(shown: VerdictTable) -> Iterator[str]:
    yield "| test | " + " | ".join(map(escape, shown.columns)) + " |"
    yield "|:---|" + "---:|" * len(shown.columns)
    for cells in (*shown.counts, *shown.rows):
        yield "| " + " | ".join(map(escape, cells)) + " |"
    yield ""
    yield from _list("Verdicts of the kernel's own tests", (*shown.fine, *shown.new))


def _line(line: Line, columns: int) -> str:
    indent = "&nbsp;&nbsp;" if line.title.startswith("  ") else ""
    title = indent + escape(line.title.strip())
    if line.kind == "section":
        title = f"**{title}**"
    elif line.kind in ("group", "reference"):
        title = f"*{title}*"
    cells = [
        escape(cell.value) + (f"<br>{escape(cell.ratio)}" if cell.ratio else "")
        for cell in line.cells
    ] or [""] * columns
    return f"| {title} | {escape(line.unit)} | " + " | ".join(cells) + " |"


def _list(title: str, lines: tuple[str, ...]) -> Iterator[str]:
    if lines:
        yield f"{title}:"
        yield ""
        for line in lines:
            yield f"- {escape(line)}"
        yield ""


def escape(said: str) -> str:
    """``said`` with the characters that Markdown and its tables give a meaning made plain."""
    return re.sub(r"([\\|*_<>`\[\]])", r"\\\1", " ".join(said.split()))
