# SPDX-License-Identifier: GPL-2.0-only
"""The cache and what was taken out of it, as text for people and as JSON."""

import json
import re
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from harness.cache import size
from harness.pipeline.caching import Contents, Item, Pruned, State

_KEY_DIGITS = 12
_NOTES = {
    State.OUTDATED: "made by an earlier version",
    State.LOG: "log of a build that failed",
    State.LEFTOVER: "left by a killed process",
}
_WIDTH = 200
"""Columns, so that nothing is folded."""
_NAME_WIDTH = 40


def render(contents: Contents, pruned: Pruned | None = None, now: float | None = None) -> str:
    """What is there by kind, a total and the path; after a prune what was taken out of it."""
    now = time.time() if now is None else now
    lines = [_rows(pruned.removed if pruned else contents.items, now)]
    if pruned is None:
        lines.append(
            f"{contents.root}: {size(contents.bytes)} in {len(contents.items)} items; "
            f"{size(contents.free)} free on the disk"
        )
    else:
        would = "would remove" if pruned.dry_run else "removed"
        frees = "would free" if pruned.dry_run else "freed"
        lines.append(
            f"{contents.root}: {would} {len(pruned.removed)} of {len(contents.items)} items, "
            f"{frees} {size(pruned.bytes)} of {size(contents.bytes)}"
        )
        if pruned.kept:
            names = ", ".join(item.name for item in pruned.kept)
            lines.append(f"kept, in use: {names}")
    return "\n".join(line for line in lines if line)


def _rows(items: Iterable[Item], now: float) -> str:
    kinds: dict[str, list[Item]] = {}
    for item in items:
        kinds.setdefault(item.kind, []).append(item)
    if not kinds:
        return ""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("key", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("last used", justify="right", no_wrap=True)
    table.add_column("this checkout", no_wrap=True)
    table.add_column("", no_wrap=True)
    for kind, members in kinds.items():
        table.add_row(kind, "", size(sum(item.bytes for item in members)), "", "", "", style="bold")
        for item in members:
            table.add_row(
                f"  {_clip(item.name)}",
                _short(item),
                size(item.bytes),
                age(now - item.last_used),
                {True: "uses it", False: "does not", None: ""}[item.current],
                "in use" if item.in_use else _NOTES.get(item.state, ""),
            )
    console = Console(highlight=False, width=_WIDTH, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _clip(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 1]}…"


def _short(item: Item) -> str:
    """The first digits of the hash in the key; "" for a key that is a name."""
    _, dash, tail = item.key.rpartition("-")
    digits = (tail if dash else item.key)[:_KEY_DIGITS]
    return digits if re.fullmatch("[0-9a-f]+", digits) and item.key != item.name else ""


def age(seconds: float) -> str:
    """``3 d``, ``2 h``, ``5 min`` ago; ``now`` below a minute."""
    for unit, step in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= step:
            return f"{seconds // step:.0f} {unit} ago"
    return "now"


def as_json(contents: Contents, pruned: Pruned | None = None) -> str:
    """The same as one document; times are ISO 8601, sizes bytes on the disk."""
    document: dict[str, object] = {
        "path": str(contents.root),
        "bytes": contents.bytes,
        "free_bytes": contents.free,
        "items": [_plain(item) for item in contents.items],
    }
    if pruned is not None:
        document |= {
            "dry_run": pruned.dry_run,
            "removed": [str(item.path) for item in pruned.removed],
            "removed_bytes": pruned.bytes,
            "kept_in_use": [str(item.path) for item in pruned.kept],
        }
    return json.dumps(document, indent=2)


def _plain(item: Item) -> dict[str, object]:
    times = {
        name: None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()
        for name, moment in (("last_used", item.last_used), ("made", item.made))
    }
    plain = {key: value for key, value in asdict(item).items() if key != "guards"}
    return {**plain, "path": str(item.path), **times}
