# SPDX-License-Identifier: GPL-2.0-only
"""The comparison as Markdown (tables as GitHub and GitLab render them)."""

import re
from collections.abc import Iterator, Mapping, Sequence

from harness.analysis.comparison import Block, Comparison
from harness.report import answer
from harness.report.answer import Answer
from harness.report.named import TITLE as NAMED_TITLE
from harness.report.named import NamedTable, named_table
from harness.report.tables import Line, table
from harness.report.terminal import legend
from harness.report.verdict_table import VerdictTable, verdict_table


def render(comparison: Comparison, questions: Mapping[str, str] | None = None) -> str:
    """``comparison`` as a Markdown document; ``questions`` by workload, where they are known."""
    text = "\n".join(_document(comparison, questions or {}))
    return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"


def _document(comparison: Comparison, questions: Mapping[str, str]) -> Iterator[str]:
    builds = [b + (" (baseline)" if b == comparison.baseline else "") for b in comparison.builds]
    yield f"# {escape(', '.join(builds))}"
    yield ""
    yield f"Runs: {', '.join(f'`{run}`' for run in comparison.runs)}"
    yield ""
    answers = answer.answers(comparison, questions)
    for one in answers:
        yield from _answer(one)
    for line in answer.legend(answers):
        yield escape(line)
        yield ""
    yield from _list("Notes", comparison.notes)
    yield from _list("Problems", comparison.problems)
    for block in comparison.blocks:
        yield ""
        yield from _block(block)
    yield ""
    yield from _list("How to read it", legend(comparison))


def _answer(one: Answer) -> Iterator[str]:
    yield f"## {escape(one.workload)}"
    yield ""
    if one.question:
        yield f"**{escape(one.question)}**"
        yield ""
    yield f"Settings: `{one.settings}`  "
    yield f"Parameters: `{one.params}`  "
    yield f"Seeds: {escape(one.seeds)}"
    yield ""
    if one.lines:
        heads = [
            f"pti={c.pti}<br>{escape(c.build)}" + (f"<br>{escape(c.remark)}" if c.remark else "")
            for c in one.columns
        ]
        yield f"| reading | unit | {' | '.join(heads)} |"
        yield "|:---|:---|" + "---:|" * len(heads)
        for line in one.lines:
            cells = [f"{escape(cell.value)} {escape(cell.ratio)}".strip() for cell in line.cells]
            yield f"| {escape(line.title)} | {escape(line.unit)} | {' | '.join(cells)} |"
        yield ""
    for words in one.arithmetic:
        yield f"- {escape(words)}"
    for verdict in one.verdicts:
        yield f"- **{escape(verdict.build)}, {verdict.pti}:** {escape(verdict.sentence)}"
    yield ""
    yield from _list("The kernel's own tests", [test.value for test in one.tests])
    yield from _list("Not counted", one.uncounted)
    yield from _list("Failed trials", one.failures)
    yield from _list("Trials whose kernel warned", one.taints)
    yield from _list("Notes", one.notes)


def _block(block: Block) -> Iterator[str]:
    shown = table(block)
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
        yield from _verdicts(verdict_table(block.verdicts, block.baseline))
    if (named := named_table(block)) is not None:
        yield from _named(named)
    yield from _list("Failed trials", shown.failures)
    yield from _list("Trials whose kernel warned", shown.taints)
    yield from _list("Footnotes", shown.footnotes)
    yield from _list("Notes", shown.notes)


def _verdicts(shown: VerdictTable) -> Iterator[str]:
    yield "| test | " + " | ".join(map(escape, shown.columns)) + " |"
    yield "|:---|" + "---:|" * len(shown.columns)
    for cells in (*shown.counts, *shown.rows):
        yield "| " + " | ".join(map(escape, cells)) + " |"
    yield ""
    yield from _list("Verdicts of the kernel's own tests", (*shown.fine, *shown.new))


def _named(shown: NamedTable) -> Iterator[str]:
    yield f"{NAMED_TITLE[0].upper()}{NAMED_TITLE[1:]}:"
    yield ""
    yield "| " + " | ".join(map(escape, shown.columns)) + " |"
    yield "|:---|:---|:---|" + "---:|" * (len(shown.columns) - 3)
    for row in shown.rows:
        yield "| " + " | ".join(map(escape, row)) + " |"
    yield ""
    yield from _list("About these", shown.notes)


def _line(line: Line, columns: int) -> str:
    indent = "&nbsp;&nbsp;" if line.title.startswith("  ") else ""
    title = indent + escape(line.title.strip())
    if line.kind == "section":
        title = f"**{title}**"
    elif line.kind in ("group", "difference", "reference"):
        title = f"*{title}*"
    cells = [
        escape(cell.value) + (f"<br>{escape(cell.ratio)}" if cell.ratio else "")
        for cell in line.cells
    ] or [""] * columns
    return f"| {title} | {escape(line.unit)} | " + " | ".join(cells) + " |"


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"{title}:"
        yield ""
        for line in lines:
            yield f"- {escape(line)}"
        yield ""


def escape(text: str) -> str:
    """``text`` with the characters that Markdown and its tables give a meaning made plain."""
    return re.sub(r"([\\|*_<>`\[\]])", r"\\\1", " ".join(text.split()))
