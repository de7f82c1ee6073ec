# SPDX-License-Identifier: GPL-2.0-only
"""Patch series: ``configs/patches/<name>/series`` and the patches it lists, in order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness import cache
from harness.errors import InfrastructureError, UserError
from harness.proc import run

_NEW_FILE = re.compile(r"^diff --git a/(\S+) b/(\S+)$", re.MULTILINE)
_SUBJECT = re.compile(r"^Subject: (?:\[[^]]*\] *)?(.+(?:\n [^\n]+)*)", re.MULTILINE)
_HUNK_FAILED = re.compile(r"^Hunk #(\d+) (FAILED|misapplied|succeeded at \d+ with fuzz)")


@dataclass(frozen=True, kw_only=True)
class Patch:
    """One patch of a series. ``files`` are the paths it touches, relative to the tree."""

    name: str  # <series>/<file name>
    path: Path
    sha256: str
    subject: str
    files: tuple[str, ...]


_NEW_SYMBOL = re.compile(r"^\+(?:menu)?config (\w+)$", re.MULTILINE)


def symbols(patches: Sequence[Patch]) -> frozenset[str]:
    """The Kconfig options (``CONFIG_...``) that ``patches`` bring into the tree."""
    texts = (patch.path.read_text(encoding="utf-8") for patch in patches)
    return frozenset(f"CONFIG_{name}" for text in texts for name in _NEW_SYMBOL.findall(text))


def parse_series(text: str, where: str) -> tuple[str, ...]:
    """File names listed in a ``series`` file: one a line, ``#`` starts a comment.

    Raises UserError naming ``where`` and the line for a path or a repeated name.
    """
    names: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        name = raw.split("#", 1)[0].strip()
        if not name:
            continue
        if "/" in name or name in names:
            raise UserError(
                f"{where}:{number}: {name!r}", "give each patch once, by its name in the folder"
            )
        names.append(name)
    return tuple(names)


def parse_patch(name: str, path: Path, data: bytes) -> Patch:
    """A git-format patch. Raises UserError when it changes no file or leaves the tree."""
    text = data.decode(errors="replace")
    files = sorted({f for pair in _NEW_FILE.findall(text) for f in pair})
    if not files:
        raise UserError(f"{path}: no `diff --git` line", "make it with git format-patch")
    for file in files:
        if file.startswith("/") or ".." in PurePosixPath(file).parts:
            raise UserError(f"{path}: touches {file!r}, outside the tree", "make it again")
    match = _SUBJECT.search(text)
    subject = " ".join(match[1].split()) if match else path.name
    return Patch(
        name=name,
        path=path,
        sha256=cache.sha256_bytes(data),
        subject=subject,
        files=tuple(files),
    )


def load(names: Sequence[str], root: Path) -> tuple[Patch, ...]:
    """All patches of the series ``names`` (folders below ``root``), in order.

    Raises UserError naming the series or the patch that is not there.
    """
    patches: list[Patch] = []
    for name in names:
        listing = root / name / "series"
        try:
            text = listing.read_text(encoding="utf-8")
        except OSError as error:
            known = ", ".join(sorted(p.parent.name for p in root.glob("*/series")))
            raise UserError(f"no patch series {name!r}", f"known: {known or 'none'}") from error
        for entry in parse_series(text, str(listing)):
            path = root / name / entry
            try:
                data = path.read_bytes()
            except OSError as error:
                raise UserError(
                    f"{listing}: {entry} cannot be read", "add the patch or drop the line"
                ) from error
            patches.append(parse_patch(f"{name}/{entry}", path, data))
    return tuple(patches)


def first_bad_hunk(output: str) -> str:
    """The line of ``patch``'s output that says which hunk went wrong, with its file."""
    file = ""
    for line in output.splitlines():
        if line.startswith("patching file "):
            file = line.removeprefix("patching file ").strip("'")
        elif _HUNK_FAILED.match(line):
            return f"{file}: {line}"
        elif "can't find file to patch" in line or "malformed patch" in line:
            return line.strip()
    return output.strip().splitlines()[-1] if output.strip() else "no output"


def rejected(folder: Path) -> str:
    """The hunks that ``patch`` left behind as ``*.rej`` below ``folder``, as one text."""
    return "".join(p.read_text(errors="replace") for p in sorted(folder.rglob("*.rej")))


def apply(patch: Patch, folder: Path, base: str) -> None:
    """Apply ``patch`` to the files below ``folder``, without fuzz.

    Raises InfrastructureError naming the patch, the ``base`` it was applied to and the
    hunk, which it quotes.
    """
    done = run(
        ["patch", "-p1", "-F0", "--force", "--no-backup-if-mismatch", "-i", str(patch.path)],
        cwd=folder,
        env={"LC_ALL": "C"},
        check=False,
    )
    if done.returncode == 0:
        return
    why = first_bad_hunk(done.stdout + done.stderr)
    raise InfrastructureError(
        f"{patch.name} does not apply to {base}: {why}",
        f"refresh the patch, or give the tree it was made for as KERNEL_SRC=\n{rejected(folder)}",
    )
