# SPDX-License-Identifier: GPL-2.0-only
"""Tables of readings in the documentation, between two markers: the program's own in
``results/README.md``, a workload's in its own ``README.md``.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.errors import DataError
from harness.metrics import shipped
from harness.metrics.catalogue import METRICS
from harness.metrics.metric import Metric
from harness.model.reading_spec import ReadingSpec
from harness.paths import RESULTS, WORKLOADS

BEGIN = "<!-- readings: written by `python -m harness.metrics` -->"
END = "<!-- end of readings -->"


def program_table(metrics: Iterable[Metric] = METRICS) -> str:
    """The program's own readings."""
    lines = ["| name | unit | source | meaning |", "|---|---|---|---|"]
    for metric in metrics:
        sources = ", ".join(source.value for source in metric.sources)
        lines.append(f"| `{metric.name}` | {metric.unit} | {sources} | {metric.meaning} |")
    return "\n".join(lines) + "\n"


def workload_table(declared: Iterable[ReadingSpec]) -> str:
    """The readings that a workload declares."""
    lines = ["| reading | unit | meaning |", "|---|---|---|"]
    for one in declared:
        made = "; made by `compare`" if one.quotient else ""
        lines.append(f"| `{one.name}` | {one.unit} | {one.meaning or one.title}{made} |")
    return "\n".join(lines) + "\n"


def with_table(text: str, table: str, where: str) -> str:
    """``text`` with ``table`` between its markers. Raises DataError when it has none."""
    head, begin, rest = text.partition(BEGIN + "\n")
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise DataError(f"{where}: no table of readings in it", f"add {BEGIN!r} and {END!r}")
    return f"{head}{begin}{table}{end}{tail}"


def pages() -> Iterator[tuple[Path, str]]:
    """Every page with such a table, and what it must be. Raises DataError for one without."""
    own = RESULTS / "README.md"
    tables = [(own, program_table())] + [
        (WORKLOADS / name / "README.md", workload_table(declared))
        for name, declared in shipped.declarations().items()
        if declared
    ]
    for path, table in tables:
        yield path, with_table(path.read_text(encoding="utf-8"), table, str(path))


def write_pages() -> None:
    """Write every page anew."""
    for path, text in list(pages()):
        path.write_text(text, encoding="utf-8")
