# SPDX-License-Identifier: GPL-2.0-only
"""Which packages a guest's layers were made of. Apart from how they are made: that file's text is
part of their key, so that an image is made again when it changes."""

from collections.abc import Iterable

from harness.image.guest_layers import Layer

LISTING = "packages.txt"
"""What guest_layers.py keeps beside the layers: name and version, a line each."""


def guest_packages(layers: Iterable[Layer]) -> dict[str, str]:
    """Name and version of each package that ``layers`` were made of; none where that is not kept
    beside them."""
    found: dict[str, str] = {}
    for place in {layer.path.parent / LISTING for layer in layers}:
        if place.is_file():
            lines = place.read_text().splitlines()
            found |= dict(line.split(" ", 1) for line in lines if " " in line)
    return dict(sorted(found.items()))
