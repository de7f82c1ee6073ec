# SPDX-License-Identifier: GPL-2.0-only
"""The answers as plain text of 72 columns: for a mailing list, and short for a commit message."""

import io
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Console

from harness.analysis.comparison import Comparison
from harness.report import wording
from harness.report.answer import Answer, answers, legend
from harness.report.consoles import only_printable
from harness.report.screen import answer_table, print_answer, print_lines, title

WIDTH = 72
_ASCII = str.maketrans({"×": "x", "─": "-", "→": ">", "−": "-", "…": ".", "µ": "u", "·": "|"})
"""What a terminal has and a mail had better not."""


def mail(comparison: Comparison, questions: Mapping[str, str]) -> str:
    """Every answer with its table, its sentences and what was not counted."""
    shown = answers(comparison, questions)
    out = io.StringIO()
    console = only_printable(
        Console(file=out, width=WIDTH, highlight=False, color_system=None, force_terminal=False)
    )
    for one in shown:
        print_answer(console, one)
    print_lines(console, "", [f"note: {note}" for note in comparison.notes])
    print_lines(console, "", [f"problem: {problem}" for problem in comparison.problems])
    print_lines(console, "", [*legend(shown), *_origin(comparison)])
    return _plain(out.getvalue().splitlines())


def commit_message(comparison: Comparison, questions: Mapping[str, str]) -> str:
    """Of each answer the title, the settings and the table, indented as quotations are."""
    shown = answers(comparison, questions)
    lines = [line for one in shown for line in _short(one)]
    words = [*legend(shown), *_origin(comparison)]
    return _plain([*lines, *(part for word in words for part in textwrap.wrap(word, WIDTH))])


def _short(one: Answer) -> Iterator[str]:
    yield f"{title(one)}:"
    settings = "  ".join((one.settings, one.params, one.seeds))
    yield from textwrap.wrap(settings, WIDTH - 2, initial_indent="  ", subsequent_indent="  ")
    if one.lines:
        yield from (f"  {line.plain}" for line in answer_table(one, WIDTH - 2))
    for failure in one.failures:
        yield from textwrap.wrap(f"failed: {failure}", WIDTH - 2, initial_indent="  ")
    for taint in one.taints:
        yield from textwrap.wrap(f"tainted: {taint}", WIDTH - 2, initial_indent="  ")
    yield ""


def _origin(comparison: Comparison) -> Sequence[str]:
    """What measured it."""
    first = comparison.manifests[0]
    runs = ", ".join(comparison.runs)
    many = wording.plural(len(first.trials), "trial")
    return (f"execmem-bench {first.program_version}, {first.qemu_version}, {many}: {runs}",)


def _plain(lines: Iterable[str]) -> str:
    return "".join(f"{line.translate(_ASCII).rstrip()}\n" for line in lines)
