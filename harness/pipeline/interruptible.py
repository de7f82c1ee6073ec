# SPDX-License-Identifier: GPL-2.0-only
"""Ctrl-C and SIGTERM while trials run: what has ended is kept."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set ``stop`` once; a second one ends the program at once."""

    def handle(signum: int, _: object) -> None:
        if stop.is_set():
            signal.signal(signum, signal.SIG_DFL)
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, old in before.items():
            signal.signal(signum, old)
