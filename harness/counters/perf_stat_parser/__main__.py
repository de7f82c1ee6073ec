# SPDX-License-Identifier: GPL-2.0-only
"""``python -m perf_stat_parser [-x SEP] [FILE]``: the rows as JSON, one object a line."""

import argparse
import json
import sys
from dataclasses import asdict

from . import ParseError, parse


def main() -> int:
    """Print the rows of a file or of standard input; 2 and one line for one that is refused."""
    options = argparse.ArgumentParser(prog="perf_stat_parser", description=__doc__)
    options.add_argument("file", nargs="?", help="output of perf stat; standard input without it")
    options.add_argument("-x", default="", metavar="SEP", help="it is CSV with this separator")
    given = options.parse_args()
    try:
        with open(given.file or 0, encoding="utf-8", errors="replace") as lines:  # noqa: PTH123
            for row in parse(lines, given.x):
                print(json.dumps(asdict(row)))
    except OSError as error:
        print(f"perf_stat_parser: {given.file}: {error.strerror}", file=sys.stderr)
        return 2
    except ParseError as error:
        print(f"perf_stat_parser: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
