# SPDX-License-Identifier: GPL-2.0-only
"""SHA-256 of bytes, files and folders."""

import hashlib
from pathlib import Path


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of ``data``, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_sha256(path: Path) -> str:
    """SHA-256 of a file, or of a folder's names, link targets and contents.

    Raises OSError when it cannot be read.
    """
    if path.is_file():
        return sha256_file(path)
    total = hashlib.sha256()
    for entry in sorted(path.rglob("*")):
        name = entry.relative_to(path)
        if entry.is_symlink():
            total.update(f"{name}\0link {entry.readlink()}\n".encode())
        elif entry.is_file():
            total.update(f"{name}\0{sha256_file(entry)}\n".encode())
    return total.hexdigest()
