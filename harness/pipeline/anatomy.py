# SPDX-License-Identifier: GPL-2.0-only
"""What the modules of a kernel are made of, read from their files and shown."""

import json

import msgspec
from rich.table import Table

from harness.errors import UserError
from harness.kernel.module_anatomy import STAYS, Anatomy, PartSizes, anatomy
from harness.kernel.module_sections import read
from harness.pipeline import prepare
from harness.pipeline.progress import Progress
from harness.report import consoles

SUFFIXES = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")


def module_anatomy(kernel: str | None, progress: Progress) -> tuple[str, Anatomy]:
    """Name and anatomy of ``kernel``, one.

    Raises UserError unless one kernel with modules is named, DataError for a module that cannot be
    read.
    """
    if not kernel:
        raise UserError(
            "whose modules?", "name a kernel with --kernel, a distribution's package for example"
        )
    made = prepare.kernels(kernel, progress, bench=False).kernels
    if len(made) != 1:
        raise UserError(f"--kernel {kernel} names {len(made)} kernels", "name one")
    folder = made[0].modules
    files = sorted(p for p in folder.rglob("*") if p.name.endswith(SUFFIXES)) if folder else []
    if not files:
        raise UserError(
            f"{made[0].name} comes without modules",
            "give its package, its built tree, or an image beside its lib/modules",
        )
    with progress.step(f"{len(files)} modules of {made[0].name}"):
        return made[0].name, anatomy(read(path) for path in files)


def show_anatomy(name: str, found: Anatomy, *, as_json: bool) -> None:
    """Print ``found``."""
    if as_json:
        document = msgspec.to_builtins(found)
        for raw, part in zip(document["parts"], found.parts, strict=True):
            raw |= {"packed_pages": part.packed_pages, "large_pages": part.large_pages}
        print(json.dumps({"kernel": name, **document}, indent=2))
        return
    console = consoles.output()
    table = Table(title=f"{found.modules:,} modules of {name}", title_justify="left")
    table.add_column("part")
    columns = ("MiB", "share", "4 kB pages", "packed", "2 MB pages", "modules", "median B")
    for column in columns:
        table.add_column(column, justify="right")
    table.add_column("largest")
    whole = found.total("bytes")
    for part in found.parts:
        share = f"{100 * part.bytes / whole:.1f} %" if part.part in STAYS and whole else ""
        table.add_row(*_row(part, share))
    console.print(table)
    console.print(
        f"Loaded together, what stays of them takes {found.total('pages'):,} page-table entries of "
        f"4 kB. If all modules' parts of a kind were side by side, {found.total('large_pages'):,} "
        f"of 2 MB would do, or {found.total('packed_pages'):,} of 4 kB. "
        f"Per CPU they take {found.per_cpu:,} bytes more."
    )
    console.print(
        "4 kB pages: each module's part on pages of its own, as with CONFIG_STRICT_MODULE_RWX; "
        "packed: with nothing between them. Shares are of what stays once a module has begun."
    )


def _row(part: PartSizes, share: str) -> tuple[str, ...]:
    return (
        part.part.value,
        f"{part.bytes / (1 << 20):.2f}",
        share,
        f"{part.pages:,}",
        f"{part.packed_pages:,}",
        f"{part.large_pages:,}",
        f"{part.modules:,}",
        f"{part.median:,}",
        f"{part.largest} {part.largest_bytes / 1024:.0f} KiB" if part.bytes else "",
    )
