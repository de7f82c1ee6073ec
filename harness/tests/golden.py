# SPDX-License-Identifier: GPL-2.0-only
"""Golden files: rendered text against a file that a person has read.

``UPDATE_GOLDEN=1 pytest ...`` writes them anew; read the diff before committing it.
"""

import os
from pathlib import Path

DATA = Path(__file__).parent / "data"


def assert_golden(name: str, text: str) -> None:
    """``text`` equals ``harness/tests/data/<name>``."""
    path = DATA / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"{name}: differs; UPDATE_GOLDEN=1 writes it anew"
