# SPDX-License-Identifier: GPL-2.0-only
"""Parser of ``perf stat -j`` output (perf 6.0 and later). Stands alone: needs nothing but
the standard library.

    from perf_stat_parser import parse_json
    for row in parse_json(open("stat.json")):
        print(row.event, row.value, row.state)
"""

from .rows import ParseError, Row, State, normalised, parse_json

__all__ = ["ParseError", "Row", "State", "normalised", "parse_json"]
