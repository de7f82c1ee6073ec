# SPDX-License-Identifier: GPL-2.0-only
"""Parser of ``perf stat`` output. Stands alone: needs nothing but the standard library.

    from perf_stat_parser import parse
    for row in parse(open("stat.out")):
        print(row.event, row.value, row.state)

Lines in, rows out: nothing is printed, line numbers are kept, keys and lines that are not
known are passed over, and a line that cannot be trusted raises ParseError and is quoted.
A row whose event was not counted has no value; it is never 0.
"""

import itertools
from collections.abc import Iterable, Iterator

from .csv_lines import parse_csv
from .json_lines import parse_json
from .names import matched, normalised
from .rows import Metric, ParseError, Row, State
from .text_lines import parse_text

__all__ = [
    "Metric",
    "ParseError",
    "Row",
    "State",
    "matched",
    "normalised",
    "parse",
    "parse_csv",
    "parse_json",
    "parse_text",
]


def parse(lines: Iterable[str], separator: str = "") -> Iterator[Row]:
    """Rows of ``lines``: CSV when a ``separator`` is given, else JSON or text by their look."""
    if separator:
        return parse_csv(lines, separator)
    source = iter(lines)
    head: list[str] = []
    for line in source:
        head.append(line)
        if line.strip() and not line.startswith("#"):
            break
    is_json = bool(head) and head[-1].lstrip().startswith("{")
    return (parse_json if is_json else parse_text)(itertools.chain(head, source))
