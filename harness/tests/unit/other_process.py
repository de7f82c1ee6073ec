# SPDX-License-Identifier: GPL-2.0-only
"""Another process that uses an entry of the cache."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCRIPT = """
import sys
from pathlib import Path
from harness import cache
assert cache.take(Path(sys.argv[1])) is not None
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holding(entry: Path) -> Iterator[None]:
    """A process that has taken ``entry``, until the block ends."""
    argv = [sys.executable, "-c", _SCRIPT, str(entry)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield
        other.communicate()
